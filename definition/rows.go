package definition

import (
	"nix2gpu/catalog"
	"nix2gpu/nix/module"
)

// A row declares one option of a container, or of what is inside one.
type row = module.Row

// ContainerOptions declares every option of a container. The result belongs to the
// caller.
func ContainerOptions() module.Options {
	all := module.Rows(containerRows, words)
	all["services"] = module.Option{Set: catalog.Options()}
	all["tailscale"] = module.Option{Set: catalog.TailscaleOptions()}
	all["age"].Set["secrets"] = secretsOption(ageSecretRows)
	all["secrets"] = secretsOption(secretRows)
	return all
}

// words returns the types that rows name beside those of services.
func words(word string) module.Type {
	switch word {
	case "copied":
		one := module.OneOf(module.Package, module.Path)
		return module.Coerced(one, func(v any) (any, error) { return []any{v}, nil }, module.ListOf(one))
	case "process":
		// Of what a process says, and of its dependencies, each may be left out by mkIf.
		return module.Submodule(module.Schema{Freeform: module.AttrsOf(module.Anything), Options: module.Options{
			"depends_on": {Type: module.NullOr(module.AttrsOf(module.Anything)), Default: module.Null, Internal: true},
		}})
	}
	return catalog.Words(word)
}

var containerRows = []row{
	{"exposedPorts", "(attrs anything) | list port | string = { } e.g. { \"8080/tcp\" = { }; }", "Ports that the container offers to the outside, as \"8080/tcp\"."},
	{"cudaPackages", "null raw e.g. pkgs.cudaPackages_12_8", "The set of CUDA packages that the container uses: its image has the libraries that programs load, of NVIDIA's apt repository, and asks the host for GPUs. A part by name, such as pkgs.cudaPackages_12_8.cuda_nvcc in systemPackages, brings what compiles."},
	{"cuda", "set"},
	{"  enable", "null bool", "Whether the container has CUDA; false overrules the other options."},
	{"  packages", "null raw", "The set of CUDA packages; the same as cudaPackages."},
	{"  version", "null string e.g. 12.8", "The version of CUDA, instead of a set of packages."},
	{"env", "attrs string | bool | number | ref e.g. { TZ = \"UTC\"; }", "Environment variables of every process of the container; `{ secret = \"name\"; }` takes the value from a secret."},
	{"extraEnv", "attrs string | bool | number | ref e.g. { TZ = \"UTC\"; }", "Environment variables of every process of the container; `{ secret = \"name\"; }` takes the value from a secret."},
	{"labels", "attrs string", "Labels of the image."},
	{"extraLabels", "attrs string", "Labels of the image."},
	{"extraStartupScript", "lines", "Shell commands that run before the services."},
	{"sshdConfig", "null string", "The configuration of sshd, instead of our own."},
	{"systemPackages", "list package e.g. [ pkgs.git pkgs.htop ]", "Packages whose programs every process and shell finds in its PATH."},
	{"aptSources", "attrs {} e.g. { grafana = { components = [ \"main\" ]; key = ./grafana.asc; suite = \"stable\"; url = \"https://apt.example.org\"; }; }", "Signed apt repositories beyond Debian's that images take packages from, by name."},
	{"  url", "null string | attrs string e.g. https://apt.example.org/debian", "The root of the repository, or one for each architecture, amd64 and arm64. Of a vendor that the package table knows, everything that is not set is the table's."},
	{"  suite", "null string e.g. stable", "The folder below dists, \"./\" unless set; one that ends in a slash is a folder of the root itself, as in flat repositories. {suite} in it is the name of Debian's release."},
	{"  components", "list string e.g. [ \"main\" ]", "The parts of the suite; a flat repository has none."},
	{"  key", "null path | string e.g. ./key.asc", "The file with the keys that sign the repository, the keys themselves in ASCII armour, or the URL where its vendor publishes them. nix2gpu.lock keeps them: no other key is trusted until \"nix2gpu lock --take-key\" says so."},
	{"  fingerprint", "null string | list string e.g. B53AE77BADB630A683046005963FA27710458545", "The fingerprint of the key that counts, or of several: 40 hexadecimal digits."},
	{"  packages", "null list string e.g. [ \"clickhouse-server\" \"clickhouse-client\" ]", "What the attribute of the source's name stands for; default: the package of that name."},
	{"archives", "attrs {} e.g. { tool = { bin = [ \"tool\" ]; url = \"https://example.org/tool-1.2.tar.gz\"; }; }", "Software that its vendor publishes as a file, by the attribute of pkgs that it stands for in images. It is fetched when something names that attribute."},
	{"  url", "required string | attrs string e.g. { amd64 = \"https://example.org/tool-1.2-x86_64.tar.gz\"; arm64 = \"https://example.org/tool-1.2-aarch64.tar.gz\"; }", "Where the file is: one address for every machine, or one for each architecture, amd64 and arm64. It is a tar archive, plain or packed by gz, xz or zst, a zip archive, or one program."},
	{"  sha256", "null string | attrs string e.g. sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "The SHA-256 of the file, in hexadecimal digits or as Nix writes it; of several files by architecture. Without it \"nix2gpu lock\" writes what it finds into the lock; \"build\" never trusts what it finds."},
	{"  strip", "unsigned = 1 e.g. 0", "How many folders to take away at the front of each name in the archive."},
	{"  bin", "null (attrs string) | list string e.g. [ \"tool\" ]", "The programs, by their paths in the archive, or, as a set, by the names that they shall have; a folder stands for all that are in it. Default: those of the folder bin, else those at its top. Of a file that is one program, its name."},
	{"python", "set"},
	{"  requirements", "null path e.g. ./requirements.txt", "A requirements file as pip reads it, whose wheels the image has in a layer of their own, beside Debian's Python. It must name everything, with versions; hashes that it lacks are learnt by \"nix2gpu lock\" alone."},
	{"copyToRoot", "copied = [ ] e.g. [ ./rootfs pkgs.htop ]", "Packages, generated files and paths that the image has at its root: of a folder its content; a program lies in /usr/local/bin."},
	{"extraCopyToRoot", "copied = [ ] e.g. [ ./rootfs pkgs.htop ]", "Further packages, files and paths, as copyToRoot has them."},
	{"user", "string = root", "Who custom services and shells run as."},
	{"workingDir", "path = /workspace", "The folder that processes start in. On a laptop it stands for the folder of the definition."},
	{"fromImage", "null string e.g. docker.io/nvidia/cuda:12.8.1-runtime-ubuntu24.04@sha256:…", "An image that this one is put on, of Debian or Ubuntu, with its digest. Packages are then those of its release; what it has already is not brought again, and its layers are named and not copied."},
	{"tag", "string = latest", "The tag of the image."},
	{"registries", "list string e.g. [ \"ghcr.io/me\" ]", "Where the image is pushed to. The container's name and tag are added, unless an entry ends in that name or has a tag."},
	{"maxLayers", "positive = 50", "How many layers the image may have, at most 127."},
	{"variant", "enum slim full minimal", "How much of its packages the image has. slim leaves out manuals, translations, documentation other than licences, and large parts that few need, such as the compiler of queries of PostgreSQL. full is everything. minimal is the programs that the definition names, and what they need."},
	{"serviceModules", "list raw e.g. [ ./my-server.nix ]", "Modules in the style of services-flake, each a type of service called as its file."},
	{"settings", "set"},
	{"  processes", "attrs process e.g. { migrate = { command = \"./migrate.sh\"; depends_on = { db = { condition = \"process_healthy\"; }; }; }; }", "Processes in the words of services-flake and process-compose. One that a service has, by its name there, such as db or db-init, says more of that service; any other is a custom service. One named test starts with `--profile test` only."},
	{"age", "set"}, // secrets in the words of agenix
	{"  enable", "bool = true", "Whether the secrets of age.secrets are there."},
	{"  package", "inert raw", "nix2gpu decrypts by itself"},
	{"  identityPaths", "list file = [ \"/etc/ssh/ssh_host_rsa_key\" \"/etc/ssh/ssh_host_ed25519_key\" ]", "Files of keys that decrypt secrets, age's own or ssh's, tried in order. They must not be in the definition's folder, so that no image holds them."},
	{"  secretsDir", "null string e.g. /run/agenix", "A folder in which links lead to the secrets of age.secrets while services run."},
	{"  secretsMountPoint", "inert string", "nix2gpu chooses a folder in memory"},
	{"home", "null raw", "A home-manager configuration. Accepted, and not used by this build."},
	{"nimiSettings", "null raw", "Settings of nimi, another supervisor. Accepted, and not used: restart, availability and whenDone say the same."},
	{"nixConfig", "string | attrs anything", "The configuration of Nix inside the container."},
	{"whenDone", "enum exit stay", "What happens when nothing runs and nothing can start any more."},
	{"onFailed", "enum continue exit", "What happens to the other services once one has failed for good: they go on, or everything ends."},
	{"listen", "set"}, // of the control API over TCP
	{"  address", "null string e.g. 127.0.0.1:9400", "The address and port on which the control API is served over TCP, to those who have the token. Other addresses than those of the machine itself need certFile and keyFile."},
	{"  tokenFile", "null string e.g. /run/secrets/token", "The file with the token, which only its owner may read (mode 0600). It is read anew for each request. Unless set, a token is made in the state folder."},
	{"  certFile", "null string", "The file with the certificate for TLS, and those that sign it, in PEM. It is read anew for each connection."},
	{"  keyFile", "null string", "The file with the key of the certificate."},
	{"  allow", "list string e.g. [ \"scale\" ]", "What may be asked for over TCP beside reading, start, stop and restart: kill, scale, reload, down, truncate, definition."},
	{"  hosts", "list string e.g. [ \"shop.example.org\" ]", "Names by which clients call this machine, beside its addresses and localhost. Requests to other names are refused, because a web page could have made them."},
	{"metrics", "set"},
	{"  listen", "null string e.g. 0.0.0.0:9464", "The address and port on which /metrics alone is served, without a token, for Prometheus."},
	{"log", "set"},
	{"  maxTotalSize", "null positive | string ~ 1G e.g. 1G", "How many bytes the log files of all services may take together: a number, or text such as \"1G\". Of the logs that take more than an equal part, the oldest file goes first."},
	{"stopTimeout", "null number | string ~ 9s e.g. 9s", "The time that stopping everything may take."},
}

// secretsOption declares secrets by name: the option by the first of the rows, each secret by
// the others. Its path is that of a file in memory.
func secretsOption(rows []row) module.Option {
	secret := module.Rows(rows[1:], words)
	path := secret["path"]
	path.DefaultText = "a file in memory"
	path.DefaultFrom = func(c *module.Config) any {
		return module.Str{S: catalog.SecretsPrefix + c.Name(), Context: []string{"secret:" + c.Name()}}
	}
	secret["path"] = path
	all := module.Rows(rows[:1], words)["secrets"]
	all.Type = module.AttrsOf(module.Submodule(module.Schema{Options: secret}))
	return all
}

var secretRows = []row{
	{"secrets", "attrs {} e.g. { hf = { file = \"/run/secrets/hf\"; }; }", "Secrets by name, each with one source: file, age or env. A service gets those that it names."},
	{"file", "null file e.g. /run/secrets/hf", "A file that holds the secret, such as docker and Kubernetes mount below /run/secrets."},
	{"age", "null file e.g. ./hf.age", "A file that holds the secret encrypted with age, to one of age.identityPaths."},
	{"env", "null string e.g. HF_TOKEN", "A variable of the environment of whoever starts nix2gpu. No service inherits it."},
	{"owner", "null string e.g. postgres", "The user who may read the secret's file; unless set, that of the services that name it."},
	{"mode", "string = 0400", "The mode of the secret's file, in octal digits."},
	{"path", "required string", "The secret's file, for commands and options that take one. It lies in memory while services run; a path that is set becomes a link to it."},
}

// ageSecretRows are secrets in the words of agenix.
var ageSecretRows = []row{
	{"secrets", "attrs {} e.g. { hf.file = ./hf.age; }", "Secrets that are encrypted with age: another way to write secrets.<name>.age."},
	{"file", "required file e.g. ./hf.age", "The encrypted file."},
	{"name", "null string", "The name of the secret's file in age.secretsDir; the secret's own name unless set."},
	{"path", "required string", "As path of secrets.<name>."},
	{"owner", "null string", "As owner of secrets.<name>."},
	{"mode", "string = 0400", "As mode of secrets.<name>."},
	{"symlink", "bool = true", "Accepted for agenix: a path is a link always, since the secret stays in memory."},
}
