package main

// imageOptions is the table of the reference page, in the order of the page.
func imageOptions() []imageOption {
	const (
		secret = `secrets.hf.file = "/run/secrets/hf"; `
		sealed = `age.secrets.hf.file = ./hf.age; `
		cuda   = `aptSources.nvidia = { url = "https://cuda.example.org"; key = ./vendor.asc; }; `
		net    = `aptSources.tailscale = { url = "https://apt.example.org"; suite = "stable"; components = [ "main" ]; key = ./vendor.asc; }; `
		heard  = `listen.address = "127.0.0.1:9400"; `
		tail   = net + `tailscale.enable = true; `
	)
	one := func(option, with, example, doc string) imageOption {
		return imageOption{options: []string{option}, with: with, example: example, doc: doc}
	}
	none := func(option, with, example, doc, said string) imageOption {
		return imageOption{options: []string{option}, with: with, example: example, doc: doc, without: said}
	}
	both := func(a, b, with, example, doc string) imageOption {
		return imageOption{options: []string{a, b}, with: with, example: example, doc: doc}
	}
	return []imageOption{
		one("systemPackages", "", `systemPackages = [ pkgs.git ];`, "the packages, with what they need; their programs are in PATH"),
		one("copyToRoot", "", `copyToRoot = [ ./rootfs ];`, "the files; it adds to the packages and takes the place of none"),
		one("extraCopyToRoot", "", `extraCopyToRoot = [ ./rootfs ];`, "the same"),
		one("aptSources", "", `aptSources.acme-tool = { url = "https://apt.example.org"; suite = "stable"; components = [ "main" ]; key = ./vendor.asc; fingerprint = "7A2F…"; packages = [ "acme-tool" ]; }; systemPackages = [ pkgs.acme-tool ];`,
			"packages that are named come from there too; of the repository itself nothing is in the image"),
		one("archives", "", `archives.deno = { url = "https://example.org/deno.zip"; sha256 = "sha256-…"; strip = 0; bin = [ "deno" ]; }; systemPackages = [ pkgs.deno ];`,
			"what is in the archive, below `/opt`, when something names its attribute"),
		one("python.requirements", "", `python.requirements = ./requirements.txt;`, "the wheels, in layers of their own, with Debian's Python"),
		one("fromImage", "", `fromImage = "registry.example.org/debian:12@sha256:…";`, "its layers come first, by their digests, and its packages are not brought again"),
		one("variant", "", `variant = "full";`, "which files of packages there are"),
		one("maxLayers", "", `maxLayers = 6;`, "how many layers there are: small ones are put together"),
		one("tag", "", `tag = "v1";`, "the name that the image is written, loaded and pushed under"),
		one("registries", "", `registries = [ "ghcr.io/me" ];`, "nothing but the project: it is where `push` brings the image"),

		one("env", "", `env.TZ = "UTC";`, "a variable of the image, and of every service; a value that looks like a secret is left out of the image's, with a warning"),
		one("extraEnv", "", `extraEnv.TZ = "UTC";`, "the same"),
		both("env.<name>.secret", "extraEnv.<name>.secret", secret, `env.TOKEN.secret = "hf";`, "a variable of services alone, whose value is read when they start"),
		one("labels", "", `labels.team = "a";`, "a label of the image"),
		one("extraLabels", "", `extraLabels.team = "a";`, "the same"),
		one("exposedPorts", "", `exposedPorts."8080/tcp" = { };`, "a port of the image"),
		one("workingDir", "", `workingDir = "/srv";`, "the folder, and where services, shells and CMD start"),
		one("user", "", `user = "me";`, "the account, its home and the working folder; boot runs custom services, shells and CMD as this user, and itself as root"),

		one("extraStartupScript", "", `extraStartupScript = "date";`, "boot runs it before the services"),
		one("sshdConfig", "", `sshdConfig = "Port 2222";`, "sshd's configuration, instead of our own"),
		one("stopTimeout", "", `stopTimeout = 4;`, "how long boot takes to stop everything"),
		one("whenDone", "", `whenDone = "stay";`, "whether boot ends with the services"),
		one("onFailed", "", `onFailed = "exit";`, "whether boot ends when a service has failed for good"),
		one("listen.address", "", `listen.address = "127.0.0.1:9400";`, "where boot serves the control API over TCP, too"),
		one("listen.tokenFile", heard, `listen.tokenFile = "/run/secrets/token";`, "the file in the container with its token"),
		both("listen.certFile", "listen.keyFile", heard, `listen.certFile = "/run/secrets/cert"; listen.keyFile = "/run/secrets/key";`, "the files in the container with its certificate and key"),
		one("listen.allow", heard, `listen.allow = [ "scale" ];`, "what may be asked for there"),
		one("listen.hosts", heard, `listen.hosts = [ "shop.example.org" ];`, "by which names"),
		one("metrics.listen", "", `metrics.listen = "0.0.0.0:9464";`, "where boot serves metrics"),
		one("log.maxTotalSize", "", `log.maxTotalSize = "1G";`, "how many bytes of logs boot keeps"),
		one("serviceModules", "", `serviceModules = [ ./echo.nix ]; services.echo.one.enable = true;`, "the services of that type; of the module itself nothing is in the image"),

		one("settings.processes", "", `settings.processes.other.command = "sleep 1";`, "that service"),

		one("cudaPackages", cuda, `cudaPackages = pkgs.cudaPackages_12_8;`, "CUDA's libraries, and what the image asks the host for"),
		one("cuda.packages", cuda, `cuda.packages = pkgs.cudaPackages_12_8;`, "the same"),
		one("cuda.version", cuda, `cuda.version = "12.4";`, "the same, of that version"),
		one("cuda.enable", cuda+`cudaPackages = pkgs.cudaPackages_12_8; `, `cuda.enable = false;`, "no CUDA, whatever else says so"),

		one("tailscale.enable", net, `tailscale.enable = true;`, "tailscale, which boot runs as a service of its own"),
		one("tailscale.hostname", tail, `tailscale.hostname = "web-1";`, "the name in the tailnet"),
		one("tailscale.tags", tail, `tailscale.tags = [ "tag:web" ];`, "the tags that it asks for"),
		one("tailscale.proxy", tail, `tailscale.proxy = [ "app" ];`, "the services that get proxy variables"),
		one("tailscale.authKey", tail, `tailscale.authKey = "/run/secrets/key";`, "where boot reads the key; the key itself is never in the image"),
		one("tailscale.authKeyFile", tail, `tailscale.authKeyFile = "/run/secrets/key";`, "the same"),
		both("tailscale.authKey.secret", "tailscale.authKeyFile.secret", tail+secret, `tailscale.authKey.secret = "hf";`, "the same, by the name of a secret"),

		one("secrets", "", `secrets.hf.file = "/run/secrets/hf";`, "where boot and services read the secret from; of the secret itself nothing is in the image"),
		one("secrets.<name>.env", "", `secrets.hf.env = "HF_TOKEN";`, "the same, from a variable that the container is given"),
		one("secrets.<name>.age", "", `secrets.hf.age = ./hf.age;`, "the encrypted file, which is decrypted into memory when services start"),
		one("secrets.<name>.owner", secret, `secrets.hf.owner = "nobody";`, "who may read the decrypted file"),
		one("secrets.<name>.mode", secret, `secrets.hf.mode = "0440";`, "its mode"),
		one("secrets.<name>.path", secret, `secrets.hf.path = "/etc/hf";`, "a link that leads to it while services run"),
		one("age.secrets", "", `age.secrets.hf.file = ./hf.age;`, "as `secrets.hf.age`"),
		one("age.secrets.<name>.owner", sealed, `age.secrets.hf.owner = "nobody";`, "as `secrets.hf.owner`"),
		one("age.secrets.<name>.mode", sealed, `age.secrets.hf.mode = "0440";`, "as `secrets.hf.mode`"),
		one("age.secrets.<name>.path", sealed, `age.secrets.hf.path = "/etc/hf";`, "as `secrets.hf.path`"),
		one("age.secrets.<name>.name", sealed+`age.secretsDir = "/run/agenix"; `, `age.secrets.hf.name = "token";`, "what its link in age.secretsDir is called"),
		one("age.secretsDir", sealed, `age.secretsDir = "/run/agenix";`, "the folder of links to the secrets"),
		one("age.identityPaths", sealed, `age.identityPaths = [ "/run/secrets/key" ];`, "where boot looks for the keys that decrypt; they are never in the image"),
		one("age.enable", sealed, `age.enable = false;`, "the secrets of age.secrets are not there"),
		none("age.package", sealed, `age.package = pkgs.age;`, "nothing: nix2gpu decrypts by itself", "-"),
		none("age.secretsMountPoint", sealed, `age.secretsMountPoint = "/run/agenix.d";`, "nothing: nix2gpu chooses a folder in memory", "-"),
		none("age.secrets.<name>.symlink", sealed, `age.secrets.hf.symlink = false;`, "nothing: a path is a link always, since the secret stays in memory", "-"),

		none("nixConfig", "", `nixConfig = "sandbox = false";`, "nothing, which `build` says with its place: an image has no Nix", "left out: nixConfig"),
		none("home", "", `home = { };`, "nothing, which `build` says with its place", "left out: home"),
		none("nimiSettings", "", `nimiSettings.restart.mode = "never";`, "nothing, which `build` says with its place: services have options of their own for it", "left out: nimiSettings"),
	}
}
