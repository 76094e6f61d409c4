package container_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

const goodKey = "tskey-auth-good" + hunter

// standIn is the folder of a definition whose image has tailscale's stand-in and
// the program of these tests.
func standIn(t *testing.T, definition string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, content []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, folder := range map[string]string{"app": "testdata/app", "tailscale": "testdata/tailscale"} {
		data, err := os.ReadFile(engine.Program(t, folder))
		if err != nil {
			t.Fatal(err)
		}
		put(name, data, 0o755)
		if name == "tailscale" {
			put("tailscaled", data, 0o755)
		}
	}
	put("nix2gpu.nix", []byte(definition), 0o644)
	return dir
}

// The service api waits for the tailnet, and free does not.
const tailnet = `{ perSystem.nix2gpu."in-tailnet" = {
  copyToRoot = [ ./app ./tailscale ./tailscaled ];
  env.STANDIN_HOLD = "/workspace/reached";
  tailscale = {
    enable = true;
    hostname = "shop";
    tags = [ "tag:api" ];
    proxy = [ "free" ];
  };
  services.custom."api" = {
    enable = true;
    command = "/usr/local/bin/app none:TAILSCALE_AUTHKEY none:ALL_PROXY stay";
    environment.PEER = "http://db.tail1234.ts.net:5432/";
    depends_on.tailscale = "ready";
  };
  services.custom."free" = { enable = true; command = "/usr/local/bin/app none:TAILSCALE_AUTHKEY environ stay"; };
}; }
`

func TestTailscaleInAContainer(t *testing.T) {
	e := engine.Docker(t)
	said := e.Built(standIn(t, tailnet), "in-tailnet:latest")
	if want := "api names db.tail1234.ts.net: it gets there where the container is run with --device /dev/net/tun --cap-add NET_ADMIN"; !strings.Contains(said, want) {
		t.Errorf("build says\n%s\nwant %q", said, want)
	}
	e.MustExec("volume", "create", "tailnet")
	t.Cleanup(func() { e.Exec("volume", "rm", "-f", "tailnet") })
	id := e.Container("-v", "tailnet:/workspace", "-e", "TAILSCALE_AUTHKEY="+goodKey, "in-tailnet:latest")

	// Who does not wait for the tailnet runs at once, who does when it is there; and
	// nothing else is said of it.
	e.WaitLogs(id, "[free] all was looked at")
	const first = `[nix2gpu] container initialization starting...
[nix2gpu] starting process-compose with 2 services
[nix2gpu] free: starting
[nix2gpu] api: waiting for dependencies`
	e.WaitLogs(id, "api: waiting for dependencies")
	tailscale := func(word string) {
		t.Helper()
		var out string
		if !testkit.Eventually(func() bool {
			out = e.MustExec("exec", id, "process-compose", "logs", "tailscale")
			return strings.Contains(out, word)
		}) {
			t.Fatalf("tailscale does not say %q:\n%s", word, out)
		}
	}
	tailscale("userspace mode, as there is no /dev/net/tun")
	tailscale("tailscaled: tun=userspace-networking state=/workspace/data/tailscale/tailscaled.state socks=127.0.0.1:1055 proxy=127.0.0.1:1055")
	wantOwn(t, e.Logs(id), first)
	e.MustExec("exec", id, "/usr/local/bin/app", "touch:/workspace/reached")
	logs := e.WaitLogs(id, "[nix2gpu] without a probe: ")
	wantOwn(t, logs, first+"\n[nix2gpu] api: starting\n[nix2gpu] all services healthy\n[nix2gpu] without a probe: api, free")
	tailscale("in the tailnet as shop")
	if !strings.Contains(logs, "[free] ALL_PROXY=socks5h://127.0.0.1:1055\n") || strings.Contains(logs, "WRONG") {
		t.Errorf("what services get:\n%s", logs)
	}
	if status := e.MustExec("exec", id, "process-compose", "status"); !regexp.MustCompile(`(?m)^tailscale +running +healthy`).MatchString(status) {
		t.Errorf("status:\n%s", status)
	}
	if out := e.MustExec("exec", id, "/usr/local/bin/tailscale", "--socket=/run/tailscale/tailscaled.sock", "status"); !strings.Contains(out, `"HostName":"shop"`) {
		t.Errorf("its own client: %s", out)
	}

	// The key is where docker has it, and nowhere else.
	searched(t, "docker logs", logs)
	searched(t, "arguments", e.MustExec("exec", id, "/usr/local/bin/app", "arguments"))
	for _, line := range []string{"process-compose status", "nix2gpu config", "nix2gpu config -o project", "nix2gpu up --dry-run", "nix2gpu secret ls", "nix2gpu logs tailscale", "nix2gpu boot /usr/local/bin/app environ"} {
		searched(t, line, e.MustExec(append([]string{"exec", id}, strings.Fields(line)...)...))
	}
	searchExport(t, e, id)
	e.MustExec("stop", id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}

	// Another container over the same volume is the same machine, without a key.
	id = e.Container("-v", "tailnet:/workspace", "in-tailnet:latest")
	logs = e.WaitLogs(id, "[nix2gpu] all services healthy")
	if strings.Contains(logs, "tailscale") {
		t.Errorf("the second life says\n%s", logs)
	}
	e.MustExec("rm", "-f", id)

	// Without the state too it is missed with its place: who waits for it does not start.
	id = e.Container("in-tailnet:latest")
	logs = e.WaitLogs(id, "[nix2gpu] 1 of 2 services healthy; skipped: api")
	for _, want := range []string{"[nix2gpu] nix2gpu.nix:5:5: tailscale is not started: there is no key to join with: variable TAILSCALE_AUTHKEY is not set", "docker run -e TAILSCALE_AUTHKEY"} {
		if !strings.Contains(logs, want) {
			t.Errorf("logs lack %q:\n%s", want, logs)
		}
	}
}

// searchExport wants no secret in what a container has written.
func searchExport(t *testing.T, e *engine.Engine, id string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exported.tar")
	e.MustExec("export", "-o", file, id)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := searchTar(t, "docker export", f); n < 20 {
		t.Errorf("docker export: only %d files were looked at", n)
	}
}

// The key of a file that is mounted; a wrong one is a failure that is told, and
// that stops nothing else.
func TestTailscaleKeyFile(t *testing.T) {
	e := engine.Docker(t)
	e.Built(standIn(t, `{ perSystem.nix2gpu."in-tailnet" = {
  copyToRoot = [ ./app ./tailscale ./tailscaled ];
  tailscale = { enable = true; authKey = "/run/secrets/ts"; };
  services.custom."free" = { enable = true; command = "/usr/local/bin/app none:TAILSCALE_AUTHKEY stay"; };
}; }
`), "in-tailnet:latest")
	key := filepath.Join(t.TempDir(), "key")
	// A kernel may have no such device; then it is as without.
	with, mode := []string{"--cap-add", "NET_ADMIN"}, "tun=userspace-networking "
	if f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err == nil {
		f.Close()
		with, mode = append(with, "--device", "/dev/net/tun"), "tun=tailscale0 "
	}
	for content, want := range map[string]string{goodKey: "in the tailnet as in-tailnet", "tskey-auth-bad-" + hunter: "invalid key: unable to validate API key"} {
		if err := os.WriteFile(key, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		id := e.Container(append(with, "-v", key+":/run/secrets/ts:ro", "-e", "TAILSCALE_AUTHKEY=unused", "in-tailnet:latest")...)
		var out string
		if !testkit.Eventually(func() bool {
			out = e.MustExec("exec", id, "process-compose", "logs", "tailscale")
			return strings.Contains(out, want)
		}) {
			t.Errorf("tailscale does not say %q:\n%s", want, out)
		}
		if !strings.Contains(out, mode) || mode == "tun=tailscale0 " && strings.Contains(out, "userspace") {
			t.Errorf("with the capability, and the device where there is one, want %q:\n%s", mode, out)
		}
		logs := e.WaitLogs(id, "[nix2gpu] all services healthy")
		if content != goodKey {
			logs = e.WaitLogs(id, "[nix2gpu] tailscale: ")
		}
		if told := strings.Contains(own(logs), "tailscale"); told == (content == goodKey) || strings.Contains(logs, "WRONG") {
			t.Errorf("with %.15s… the logs are\n%s", content, logs)
		}
		searched(t, "docker logs", logs)
		searched(t, "logs of tailscale", out)
		searched(t, "arguments", e.MustExec("exec", id, "/usr/local/bin/app", "arguments"))
		searchExport(t, e, id)
		e.MustExec("rm", "-f", id)
	}
}

// The key itself in a definition gets nowhere; and an image without tailscale says
// so, at its build and in its life, which goes on.
func TestTailscaleThatIsLacking(t *testing.T) {
	e := engine.Docker(t)
	said := e.Built(standIn(t, `{ perSystem.nix2gpu."in-tailnet" = {
  copyToRoot = ./app;
  tailscale = { enable = true; authKey = "`+goodKey+`"; };
  services.custom."free" = { enable = true; command = "/usr/local/bin/app none:TAILSCALE_AUTHKEY none:TS_AUTHKEY stay"; };
}; }
`), "in-tailnet:latest")
	for _, want := range []string{"nix2gpu.nix:3:32: note: tailscale.authKey is the key itself, and is left out", "docker run -e TAILSCALE_AUTHKEY", "nix2gpu.nix:3:17: warning: tailscale: the image has no tailscale"} {
		if !strings.Contains(said, want) {
			t.Errorf("build says\n%s\nwant %q", said, want)
		}
	}
	searched(t, "build", said)
	searched(t, "docker inspect", e.MustExec("inspect", "in-tailnet:latest"))
	archive := filepath.Join(t.TempDir(), "saved.tar")
	e.MustExec("save", "-o", archive, "in-tailnet:latest")
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	searchTar(t, "docker save", f)
	id := e.Container("-e", "TAILSCALE_AUTHKEY="+goodKey, "in-tailnet:latest")
	logs := e.WaitLogs(id, "[nix2gpu] all services healthy")
	if !strings.Contains(logs, `[nix2gpu] nix2gpu.nix:3:17: tailscale is not started: package "tailscale"`) || strings.Contains(logs, "WRONG") {
		t.Errorf("logs:\n%s", logs)
	}
	searched(t, "docker logs", logs)
	searchExport(t, e, id)
}

// On other machines tailscale runs for those who name it or depend on it, and
// leaves the machine's network alone.
func TestTailscaleOnAHost(t *testing.T) {
	bin := filepath.Dir(engine.Program(t, "testdata/tailscale"))
	data, err := os.ReadFile(filepath.Join(bin, "tailscale"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "tailscaled"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	s := testkit.NewStackFrom(t, "")
	s.Env = append(s.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	s.Write("nix2gpu.nix", `{
  tailscale = { enable = true; hostname = "laptop"; authKeyFile = "./key"; };
  services.custom."free" = { enable = true; command = "sleep 10000"; };
  services.custom."api" = { enable = true; command = "sleep 10000"; depends_on.tailscale = "ready"; };
}
`)
	up := s.Start("up", "free")
	up.WaitLine("all services healthy")
	if out := s.MustExec("status"); !regexp.MustCompile(`(?m)^tailscale +(disabled|stopped)`).MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
	up.Stop()

	s.Write("key", goodKey+"\n")
	up = s.Start("up")
	up.WaitLine("all services healthy")
	if out := s.MustExec("logs", "tailscale"); !strings.Contains(out, "userspace mode, as this is not a container") || !strings.Contains(out, "tun=userspace-networking") || !strings.Contains(out, "in the tailnet as laptop") {
		t.Errorf("logs tailscale:\n%s", out)
	}
	if strings.Contains(up.Output(), "tailscale") || !strings.Contains(up.Output(), "with 2 services") {
		t.Errorf("up says\n%s", up.Output())
	}
	up.Stop()
}
