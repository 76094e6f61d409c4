package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/definition"
	"nix2gpu/deploy"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

const image = "ghcr.io/me/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// definitions are those whose files are tested, on all platforms.
var definitions = map[string]string{
	"empty": `{ perSystem.nix2gpu.web.services = { }; }`,
	"stack": `{
  perSystem.nix2gpu.web = {
    exposedPorts = { "22/tcp" = { }; "8080/tcp" = { }; "9000-9001/udp" = { }; };
    stopTimeout = "20s";
    whenDone = "stay";
    services = {
      postgresql."db" = { enable = true; };
      redis."cache" = { enable = true; dataDir = "/var/lib/cache"; };
      custom."web" = {
        enable = true;
        command = "python3 web.py";
        environmentFile = ./web.env;
        limits.memory = "1G";
        readiness_probe.http_get = { path = "/"; port = 8080; };
      };
    };
  };
}`,
	"gpus": `{
  perSystem.nix2gpu.web.services.custom = {
    "train" = { enable = true; command = "train"; gpus = 2; restart = "no"; };
    "serve" = { enable = true; command = "serve"; gpus = 1; restart = "no"; };
  };
}`,
	"devices": `{
  perSystem.nix2gpu.web.services.custom = {
    "train" = { enable = true; command = "train"; gpus = [ 0 2 ]; };
  };
}`,
	"memory": `{
  perSystem.nix2gpu.web.services.custom = {
    "train" = { enable = true; command = "train"; gpu = { count = 2; memory = "24G"; }; };
  };
}`,
	"cuda": `{
  perSystem.nix2gpu.web = {
    cudaPackages = pkgs.cudaPackages_12_8;
    services.custom."train" = { enable = true; command = "train"; };
  };
}`,
	"secrets": `{
  perSystem.nix2gpu.web = { config, ... }: {
    tailscale.enable = true;
    secrets.hf.file = "/run/secrets/hf";
    secrets.key.file = ./key.pem;
    secrets.token.env = "API_TOKEN";
    secrets.box.age = ./box.age;
    age.identityPaths = [ "/run/secrets/identity" "/etc/keys/other" ];
    services.custom."web" = {
      enable = true;
      command = "serve ${config.secrets.hf.path} ${config.secrets.key.path} ${config.secrets.box.path}";
      environment.TOKEN.secret = "token";
    };
  };
}`,
	"network": `{
  perSystem.nix2gpu.web.services.custom = {
    "convert" = {
      enable = true;
      command = "convert";
      network = "loopback";
    };
  };
}`,
	// Words that YAML 1.1 reads as booleans, and a number.
	"words": `{
  perSystem.nix2gpu.no = {
    exposedPorts."8080/tcp" = { };
    secrets.yes.file = "/run/secrets/on";
    secrets."1e3".file = "/run/secrets/1e3";
    services.custom."y" = { enable = true; command = "n"; };
  };
}`,
}

// load returns a definition as the verb reads it.
func load(t *testing.T, text string) *definition.Result {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"nix2gpu.nix": text, "web.env": "A=b\n", "key.pem": "k\n", "box.age": "a\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := definition.Load(context.Background(), definition.Ref{Path: filepath.Join(dir, "nix2gpu.nix")}, definition.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// write returns the file for a definition, and its notes, one a line.
func write(t *testing.T, p deploy.Platform, text string, opts deploy.Options) (file, notes string) {
	t.Helper()
	r := load(t, text)
	opts.Image, opts.From = image, "nix2gpu.nix#web"
	opts.Place = func(option ...string) project.Pos {
		pos := r.Config.Pos(option...)
		if !pos.IsValid() || strings.HasPrefix(pos.File(), "<") {
			return project.Pos{}
		}
		line, col := pos.LineCol()
		return project.Pos{File: filepath.Base(pos.File()), Line: line, Col: col}
	}
	out, all, err := deploy.Write(p, r.Valid, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		notes += n.Pos.String() + ": " + n.Text + "\n"
	}
	return string(out), notes
}

// TestFiles compares the files, and the notes that people get.
func TestFiles(t *testing.T) {
	for _, p := range deploy.Platforms() {
		for name, text := range definitions {
			t.Run(string(p)+"/"+name, func(t *testing.T) {
				file, notes := write(t, p, text, deploy.Options{})
				testkit.Golden(t, fmt.Sprintf("testdata/%s-%s.golden", p, name), []byte(file+"--- notes\n"+notes))
			})
		}
	}
}

// TestComposeTakesIt asks docker-compose, which reads YAML 1.1.
func TestComposeTakesIt(t *testing.T) {
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Skip("needs docker-compose: make deps-all")
	}
	for name, text := range definitions {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, _ := write(t, deploy.Compose, text, deploy.Options{})
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "-f", "compose.yaml", "config", "--quiet")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("docker-compose refuses it: %v\n%s\n%s", err, out, file)
			}
		})
	}
}

// The same definition gives the same bytes.
func TestFilesAreDeterministic(t *testing.T) {
	text := `{ perSystem.nix2gpu.web.services = { redis."a" = { enable = true; }; redis."b" = { enable = true; port = 6380; }; postgresql."c" = { enable = true; }; }; }`
	for _, p := range deploy.Platforms() {
		first, notes := write(t, p, text, deploy.Options{})
		for range 5 {
			if again, n := write(t, p, text, deploy.Options{}); again != first || n != notes {
				t.Fatalf("%s another time:\n%s\nthe first:\n%s", p, again, first)
			}
		}
	}
}

// vastFields are the fields of a template in vast.ai's API, with their kinds.
var vastFields = map[string]reflect.Kind{
	"name": reflect.String, "image": reflect.String, "tag": reflect.String, "desc": reflect.String, "readme": reflect.String,
	"env": reflect.String, "onstart": reflect.String, "runtype": reflect.String, "args_str": reflect.String,
	"ssh_direct": reflect.Bool, "use_ssh": reflect.Bool, "jup_direct": reflect.Bool, "jupyter_dir": reflect.String, "use_jupyter_lab": reflect.Bool,
	"docker_login_repo": reflect.String, "docker_login_user": reflect.String, "docker_login_pass": reflect.String,
	"recommended_disk_space": reflect.Float64, "extra_filters": reflect.Map, "private": reflect.Bool,
}

// runpodFields are those of RunPod, which refuses any other.
var runpodFields = map[string]reflect.Kind{
	"name": reflect.String, "image": reflect.String, "args": reflect.String, "disk": reflect.Float64, "ports": reflect.Slice, "env": reflect.Map,
	"registry": reflect.String, "mounts": reflect.Map, "serverless": reflect.Bool, "public": reflect.Bool, "category": reflect.String,
	"startSsh": reflect.Bool, "startJupyter": reflect.Bool, "allowedCudaVersions": reflect.Slice,
}

// TestTemplatesHaveTheirFields checks that each field of a template is one of the
// platform's, of its kind.
func TestTemplatesHaveTheirFields(t *testing.T) {
	for p, fields := range map[deploy.Platform]map[string]reflect.Kind{deploy.Vast: vastFields, deploy.RunPod: runpodFields} {
		for name, text := range definitions {
			for _, opts := range []deploy.Options{{}, {Entrypoint: true, Disk: 100, Volume: 50}} {
				file, _ := write(t, p, text, opts)
				var template map[string]any
				if err := json.Unmarshal([]byte(file), &template); err != nil {
					t.Fatalf("%s, %s: %v\n%s", p, name, err, file)
				}
				for field, value := range template {
					if kind, ok := fields[field]; !ok || reflect.TypeOf(value).Kind() != kind {
						t.Errorf("%s, %s: field %q is a %T, want %v", p, name, field, value, kind)
					}
				}
				for _, field := range []string{"name", "image"} {
					if template[field] == "" {
						t.Errorf("%s, %s: no %s", p, name, field)
					}
				}
			}
		}
	}
}

// TestVastModes checks what differs between the launch modes.
func TestVastModes(t *testing.T) {
	type template struct {
		Env, OnStart, RunType string
		UseSSH                bool `json:"use_ssh"`
		Disk                  int  `json:"recommended_disk_space"`
	}
	of := func(opts deploy.Options) (out template) {
		file, _ := write(t, deploy.Vast, definitions["stack"], opts)
		if err := json.Unmarshal([]byte(file), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	// vast.ai's sshd has port 22, and boot runs beside its entrypoint.
	want := template{"-p 8080:8080 -p 9000:9000/udp -p 9001:9001/udp", "/usr/bin/nix2gpu boot >>/var/log/nix2gpu.log 2>&1 &", "ssh", true, 32}
	if got := of(deploy.Options{}); got != want {
		t.Errorf("ssh mode: %+v, want %+v", got, want)
	}
	want = template{"-p 22:22 -p 8080:8080 -p 9000:9000/udp -p 9001:9001/udp", "", "args", false, 100}
	if got := of(deploy.Options{Entrypoint: true, Disk: 100}); got != want {
		t.Errorf("entrypoint: %+v, want %+v", got, want)
	}
}

// TestNoSecretIsWritten gives every place for a secret a value, and looks for it.
func TestNoSecretIsWritten(t *testing.T) {
	t.Setenv("API_TOKEN", "c4n4ry")
	text := `{
  perSystem.nix2gpu.web = {
    secrets.token.env = "API_TOKEN";
    env.DB_PASSWORD = "c4n4ry";
    services.custom."web" = { enable = true; command = "serve"; environment = { TOKEN.secret = "token"; API_KEY = "c4n4ry"; }; };
  };
}`
	for _, p := range deploy.Platforms() {
		if file, notes := write(t, p, text, deploy.Options{}); strings.Contains(file+notes, "c4n4ry") {
			t.Errorf("%s shows a secret:\n%s%s", p, file, notes)
		}
	}
}

// TestTableIsWhole checks that the table has an entry for each need and platform.
func TestTableIsWhole(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(deploy.Table()), "\n") {
		if cells := strings.Split(strings.Trim(line, "| "), " | "); !strings.HasPrefix(line, "|---") && len(cells) < len(deploy.Platforms()) || strings.Contains(line, "|  |") {
			t.Errorf("a row lacks a word: %s", line)
		}
	}
	for a, r := range deploy.Rules() {
		for _, p := range deploy.Platforms() {
			if _, ok := r[p]; !ok {
				t.Errorf("need %d has no word for %s", a, p)
			}
		}
	}
}

// inside are the fields of a project that the image itself holds, in its project.json
// or its configuration. Every other one is a need.
var inside = map[string]string{
	"Project": "Version Name Services Processes Files Users OnFailed Container Notes Active Listen Metrics Logs Compose Unwatched",
	// Registries, Tag and others matter only to the build.
	"Container": "Env EnvCommands Labels User WorkingDir Tag Startup SSHDConfig SystemPkgs CopyToRoot Archives FromImage FromImagePos Registries MaxLayers Variant",
	"Tailscale": "Hostname Tags Pos",
	"Secret":    "Owner Mode Link Pos",
	"Dir":       "Mode Owner",
	"Limits":    "NoFile Rlimits", // set for the process alone
	"Service":   "ID Type Instance Label Description Namespace Disabled System Completes Init Main Setup DependsOn Pos Options Profiles Family Port Schedule Watch",
	"Process": "ID Service Role Doing Command Env Credentials Dir Path User NoNewPrivs Elevated TTY Daemon Packages SuccessCode " +
		"Readiness Liveness Startup Test Refusals Shutdown KillMode Settings Log ExitOnEnd ExitOnSkipped",
}

// needed are the fields that ask something of the platform that runs the image.
var needed = map[string]string{
	"Project":   "Secrets WhenDone StopTimeout",
	"Container": "ExposedPorts Tailscale CUDA CUDAPos",
	"Secret":    "File Age Env Identities Optional",
	"Dir":       "Path Keep",
	"Limits":    "Memory CPUs Pids IO",
	"GPUs":      "All Count Devices Memory",
	"Service":   "Ports GPUs Unsupported",
	"Process":   "EnvFiles Files Dirs Limits Restart",
}

// TestEveryFieldIsThoughtOf checks that each field of a project is in one of the lists,
// so that a new one is not forgotten.
func TestEveryFieldIsThoughtOf(t *testing.T) {
	for _, v := range []any{project.Project{}, project.Container{}, project.Service{}, project.Process{},
		project.Tailscale{}, project.Secret{}, project.Dir{}, project.Limits{}, project.GPUs{}} {
		typ := reflect.TypeOf(v)
		known := strings.Fields(inside[typ.Name()] + " " + needed[typ.Name()])
		for f := range typ.Fields() {
			if n := slices.Index(known, f.Name); n >= 0 {
				known = slices.Delete(known, n, n+1)
			} else {
				t.Errorf("%s.%s: does the image keep it by itself (then it belongs into inside), or does a platform have to (then needsOf must look at it)?", typ.Name(), f.Name)
			}
		}
		if len(known) > 0 {
			t.Errorf("%s has no %s", typ.Name(), known)
		}
	}
}

// TestKubernetesTypes decodes every file strictly into the types of k8s.io/api, and
// checks the result.
func TestKubernetesTypes(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kubernetes-types")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(testkit.Root(), "scripts/kubernetes-types")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	decode := func(file string) (string, error) {
		cmd := exec.Command(program)
		cmd.Stdin = strings.NewReader(file)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, text := range definitions {
		file, _ := write(t, deploy.Kubernetes, text, deploy.Options{})
		out, err := decode(file)
		if err != nil {
			t.Errorf("%s: %v: %s\n%s", name, err, out, file)
		}
		testkit.Golden(t, "testdata/kubernetes-types-"+name+".golden", []byte(out))
	}
	file, _ := write(t, deploy.Kubernetes, definitions["stack"], deploy.Options{})
	for right, wrong := range map[string]string{"selector:": "selectr:", "replicas: 1": "replicas: one", "name: tcp-22": "name: 22"} {
		if out, err := decode(strings.Replace(file, right, wrong, 1)); err == nil {
			t.Errorf("with %q it is taken: %s", wrong, out)
		}
	}
}

// TestReferenceIsFresh compares the reference page with the table.
func TestReferenceIsFresh(t *testing.T) {
	page := "# What each platform keeps\n\nThis page is made from the program itself. It says what `nix2gpu deploy` writes of a\n" +
		"definition for each platform; where a platform can't keep something, that is the\nwarning, or with `--strict` the error. " +
		"All other options are kept by the image itself.\n\n" + deploy.Table()
	testkit.Golden(t, filepath.Join(testkit.Root(), "docs/reference/platforms.md"), []byte(page))
}

// The state of tailscale is kept where the catalogue puts it.
func TestTailscaleStateIsWhereItIs(t *testing.T) {
	where, _ := catalog.TailscaleState().Literal()
	if parts := catalog.TailscaleState(); where != "" || len(parts) != 1 || parts[0].Root == nil {
		t.Fatalf("the state is at %s, which is not below the working directory", parts)
	}
	file, _ := write(t, deploy.Compose, definitions["secrets"], deploy.Options{})
	if want := "target: /workspace" + *catalog.TailscaleState()[0].Root + "\n"; !strings.Contains(file, want) {
		t.Errorf("no %q in\n%s", want, file)
	}
}
