package deploy_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	os.Exit(code)
}

// shop answers at its port with what it was given: a variable, and a file.
const shop = `{
  perSystem.nix2gpu."shop" = { config, ... }: {
    exposedPorts."8080/tcp" = { };
    %[1]s
    services.custom."site" = {
      enable = true;
      command = "mkdir -p /tmp/site; cat $NOTE >/tmp/site/note; echo $WORD >/tmp/site/token; exec ${pkgs.python3}/bin/python -u -m http.server 8080 --directory /tmp/site";
      %[2]s
      readiness_probe.http_get = { path = "/token"; port = 8080; };
    };
  };
}
`

// serveRegistry starts docker-registry at 127.0.0.1:5000 in the network of s, with
// its content in dir.
func serveRegistry(t *testing.T, s *testkit.Stack, dir string) {
	t.Helper()
	config := filepath.Join(s.Dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: 127.0.0.1:5000}\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := s.StartCommand("docker-registry", "serve", config)
	t.Cleanup(func() {
		registry.Signal(syscall.SIGKILL) // it handles no other signal
		registry.Wait()
	})
	if !testkit.Eventually(func() bool {
		resp, err := s.Client.Get("http://127.0.0.1:5000/v2/")
		return err == nil && resp.Body.Close() == nil
	}) {
		t.Fatalf("docker-registry does not answer:\n%s", registry.Output())
	}
}

// pushed builds the image of a definition and pushes it to a registry whose content is
// in the folder that it returns.
func pushed(t *testing.T, docker *engine.Engine, definition string) (store string) {
	t.Helper()
	docker.Write("nix2gpu.nix", definition)
	docker.PlainOf("127.0.0.1:5000/me/shop:v1", filepath.Join(docker.Dir, "nix2gpu.nix"), nil)
	store = t.TempDir()
	serveRegistry(t, docker.Stack, store)
	docker.MustExec("push", "127.0.0.1:5000/me/shop:v1")
	docker.MustExec("rmi", "127.0.0.1:5000/me/shop:v1") // so that it is pulled from there, by its digest
	return store
}

// deployTo writes a file with the real program.
func deployTo(t *testing.T, s *testkit.Stack, platform, file string) {
	t.Helper()
	out, errs, code := s.ExecCommand(testkit.Binary(t), "deploy", platform, "nix2gpu.nix", "--image", "127.0.0.1:5000/me/shop:v1", "--strict", "-o", file)
	if code != 0 || out+errs != "" {
		t.Fatalf("deploy %s: exit code %d\n%s%s", platform, code, out, errs)
	}
}

// TestDockerComposeRunsIt starts a project with Debian's docker-compose, takes it down
// and starts it again: volumes keep their content.
func TestDockerComposeRunsIt(t *testing.T) {
	docker := engine.Docker(t)
	docker.Env = append(docker.Env, "SHOP_TOKEN=sesame", "PATH="+docker.Path())
	pushed(t, docker, fmt.Sprintf(shop, `secrets.token.env = "SHOP_TOKEN"; secrets.note.file = "/run/secrets/note"; services.redis."cache".enable = true;`,
		`environment = { WORD.secret = "token"; NOTE = "${config.secrets.note.path}"; };`))
	deployTo(t, docker.Stack, "compose", "compose.yaml")
	docker.Write("secrets/note", "a note\n")
	up := func() (id string) {
		t.Helper()
		docker.Type("docker-compose -f compose.yaml up -d")
		id = strings.TrimSpace(docker.Type("docker-compose -f compose.yaml ps -q"))
		docker.WaitLogs(id, "[nix2gpu] all services healthy")
		// The engine agrees.
		if !testkit.Eventually(func() bool {
			return strings.TrimSpace(docker.MustExec("inspect", "-f", "{{.State.Health.Status}}", id)) == "healthy"
		}) {
			t.Errorf("not healthy: %s", docker.MustExec("inspect", "-f", "{{json .State.Health}}", id))
		}
		return id
	}
	id := up()
	docker.WantBody("http://127.0.0.1:8080/token", "sesame")
	docker.WantBody("http://127.0.0.1:8080/note", "a note")
	docker.MustExec("exec", id, "redis-cli", "set", "kept", "yes")
	docker.Type("docker-compose -f compose.yaml stop")
	if code := docker.ExitCode(id); code != 0 {
		t.Errorf("stopped: exit code %d, want 0\n%s", code, docker.Logs(id))
	}
	docker.Type("docker-compose -f compose.yaml down")
	id = up()
	if got := strings.TrimSpace(docker.MustExec("exec", id, "redis-cli", "get", "kept")); got != "yes" {
		t.Errorf("in the next container redis has %q, want what was kept", got)
	}
	docker.Type("docker-compose -f compose.yaml down -v")
}

// TestPodmanPlaysThePod gives the Pod to podman, with a Secret that it refers to as a
// variable. It has no secret that is a file: Podman 4.3 makes of emptyDir a folder on
// the disk, even for /dev/shm, and boot writes no secret there.
func TestPodmanPlaysThePod(t *testing.T) {
	definition := fmt.Sprintf(shop, `secrets.token.env = "SHOP_TOKEN";`, `environment = { WORD.secret = "token"; NOTE = "/etc/hostname"; };`)
	store := pushed(t, engine.Docker(t), definition)
	podman := engine.Podman(t)
	serveRegistry(t, podman, store)
	podman.Write("nix2gpu.nix", definition)
	deployTo(t, podman, "k8s-pod", "pod.yaml")
	podman.Write("secret.json", `{"SHOP_TOKEN":"`+base64.StdEncoding.EncodeToString([]byte("sesame"))+`"}`) // as podman 4.3 keeps a Secret
	podman.MustExec("secret", "create", "shop", "secret.json")
	podman.MustExec("play", "kube", "--tls-verify=false", "pod.yaml") // in a network of its own
	if !testkit.Eventually(func() bool {
		return strings.Contains(podman.MustExec("logs", "shop-shop"), "[nix2gpu] all services healthy")
	}) {
		out, errs, _ := podman.Exec("logs", "--tail", "50", "shop-shop")
		t.Fatalf("not healthy:\n%s%s", out, errs)
	}
	podman.WantBody("http://127.0.0.1:8080/token", "sesame")
	podman.MustExec("pod", "stop", "shop")
	if out := podman.MustExec("inspect", "-f", "{{.State.ExitCode}}", "shop-shop"); strings.TrimSpace(out) != "0" {
		t.Errorf("stopped: exit code %s\n%s", out, podman.MustExec("logs", "shop-shop"))
	}
	podman.MustExec("play", "kube", "--down", "pod.yaml")
}
