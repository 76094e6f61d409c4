package daemon_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// answer is a definition whose image runs anywhere, without a network.
const answer = `{
  perSystem.nix2gpu."answer" = {
    tag = "v1";
    registries = [ "127.0.0.1:5000/me" ];
    services.custom."clock" = {
      enable = true;
      command = "echo the answer is 42; exec sleep infinity";
      readiness_probe.exec.command = "true";
    };
  };
}
`

// packages is a cache that the tests of this binary share: Debian's packages are
// fetched once.
var packages = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "nix2gpu-cache-") })

// A workshop is a folder with a definition, and dockerd and a registry at
// 127.0.0.1:5000 for it.
type workshop struct {
	*engine.Engine
	t      *testing.T
	binary string
}

func newWorkshop(t *testing.T, definition string) *workshop {
	w := &workshop{engine.Docker(t), t, testkit.Binary(t)}
	cache, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	w.write("nix2gpu.nix", definition)
	w.Env = append(w.Env, "PATH="+filepath.Dir(w.binary)+":"+os.Getenv("PATH"), "XDG_CACHE_HOME="+cache)
	serveRegistry(t, w.Engine)
	// The engine's network is its own, without a way out: packages are fetched from
	// here. With lock and cache the same is built there.
	cmd := exec.Command(w.binary, "build", "-o", "answer.oci")
	cmd.Dir, cmd.Env = w.Dir, append(os.Environ(), w.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nix2gpu build: %v\n%s", err, out)
	}
	return w
}

// serveRegistry starts docker-registry beside an engine, at 127.0.0.1:5000.
func serveRegistry(t *testing.T, e *engine.Engine) {
	t.Helper()
	e.Write("reg.yml", fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: 127.0.0.1:5000}\n", e.Dir))
	registry := e.StartCommand("docker-registry", "serve", "reg.yml")
	t.Cleanup(func() {
		registry.Signal(syscall.SIGKILL) // it has no better end
		registry.Wait()
	})
	if !testkit.Eventually(func() bool {
		resp, err := e.Client.Get("http://127.0.0.1:5000/v2/")
		return err == nil && resp.Body.Close() == nil
	}) {
		t.Fatalf("docker-registry does not answer:\n%s", registry.Output())
	}
}

func (w *workshop) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) nix2gpu(args ...string) (stdout, stderr string) {
	w.t.Helper()
	run := w.StartCommand(w.binary, args...)
	if code := run.Wait(); code != 0 {
		w.t.Fatalf("nix2gpu %s: exit code %d\n%s", strings.Join(args, " "), code, run.Output())
	}
	return strings.TrimSpace(run.Stdout()), run.Stderr()
}

// TestHowTo types every command of the page about pushing and loading.
func TestHowTo(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs/how-to/push.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := func(fence string) (out []string) {
		for _, after := range strings.Split(string(page), "\n```"+fence+"\n")[1:] {
			text, _, _ := strings.Cut(after, "\n```")
			out = append(out, text)
		}
		return out
	}
	w := newWorkshop(t, blocks("nix nix2gpu.nix")[0])
	typed := 0
	for _, block := range blocks("sh") {
		for command := range strings.Lines(block) {
			typed++
			run := w.StartCommand("bash", "-c", command)
			if code := run.Wait(); code != 0 {
				t.Fatalf("%s: exit code %d\n%s", command, code, run.Output())
			}
		}
	}
	if typed < 8 {
		t.Errorf("%d commands found on the page, want all of them", typed)
	}
}

// TestEverywhere builds an image of Debian's packages, pushes it, and runs it
// under everything that runs images here: it comes up healthy, and ends well.
func TestEverywhere(t *testing.T) {
	w := newWorkshop(t, answer)
	docker, nix2gpu, write, dir, binary := w.Engine, w.nix2gpu, w.write, w.Dir, w.binary
	built, _ := nix2gpu("build", "-o", "answer.oci")
	pushed, _ := nix2gpu("push", "--image-refs", "refs")
	if pushed != built {
		t.Fatalf("built %s, pushed %s: want the same image", built, pushed)
	}
	if again, said := nix2gpu("push", "--from", "answer.oci"); again != built || !strings.Contains(said, "nothing had to be sent") {
		t.Errorf("pushed from the layout: %s\n%s\nwant nothing sent", again, said)
	}
	if text, _ := nix2gpu("image", "show", "127.0.0.1:5000/me/answer:v1", "-o", "json"); !strings.Contains(text, `"packagesFrom": "sbom"`) || !strings.Contains(text, `"name": "bash"`) {
		t.Errorf("the registry's image has no SBOM with bash in it:\n%s", text)
	}
	byDigest := "127.0.0.1:5000/me/answer@" + built

	t.Run("docker, pulled", func(t *testing.T) {
		docker.MustExec("pull", byDigest)
		healthyInDocker(t, docker, "--network", "none", byDigest)
	})
	docker.MustExec("rmi", "-f", byDigest)
	t.Run("docker, loaded", func(t *testing.T) {
		nix2gpu("load", "--into", "docker")
		healthyInDocker(t, docker, "--network", "none", "answer:v1")
		healthyInDocker(t, docker, "--network", "none", "--init", "answer:v1")
	})
	t.Run("podman", func(t *testing.T) {
		podman := engine.Podman(t)
		podman.Dir = dir
		if out, errs, code := podman.ExecCommand(binary, "load", "--from", "answer.oci", "--into", "podman"); code != 0 || out != "answer:v1\n" {
			t.Fatalf("load: exit code %d, %q\n%s", code, out, errs)
		}
		run := podman.Start("run", "--rm", "--name", "answer", "--network", "none", "answer:v1")
		run.WaitLine("[nix2gpu] all services healthy")
		podman.MustExec("stop", "answer")
		if code := run.Wait(); code != 0 {
			t.Errorf("stopped: exit code %d\n%s", code, run.Output())
		}
		write("pod.yaml", `apiVersion: v1
kind: Pod
metadata: { name: answer }
spec:
  hostNetwork: true
  containers:
    - { name: answer, image: localhost/answer:v1, imagePullPolicy: Never }
`)
		podman.MustExec("play", "kube", "pod.yaml")
		if !testkit.Eventually(func() bool {
			return strings.Contains(podman.MustExec("logs", "answer-answer"), "[nix2gpu] all services healthy")
		}) {
			t.Errorf("not healthy as a pod:\n%s", podman.MustExec("logs", "answer-answer"))
		}
		podman.MustExec("play", "kube", "--down", "pod.yaml")
	})
	t.Run("runc", func(t *testing.T) {
		bundle := filepath.Join(t.TempDir(), "bundle")
		unpack := docker.StartCommand("umoci", "unpack", "--image", "answer.oci:v1", bundle)
		if code := unpack.Wait(); code != 0 {
			t.Fatalf("umoci: exit code %d\n%s", code, unpack.Output())
		}
		withoutTerminal(t, filepath.Join(bundle, "config.json"))
		run := docker.StartCommand("runc", "--root", filepath.Join(t.TempDir(), "runc"), "run", "--bundle", bundle, "nix2gpu-test-answer")
		run.WaitLine("[nix2gpu] all services healthy")
		run.Signal(syscall.SIGTERM)
		if code := run.Wait(); code != 0 {
			t.Errorf("stopped: exit code %d\n%s", code, run.Output())
		}
	})
}

// healthyInDocker runs an image until it is healthy, and stops it.
func healthyInDocker(t *testing.T, docker *engine.Engine, args ...string) {
	t.Helper()
	id := docker.Container(args...)
	if logs := docker.WaitLogs(id, "[nix2gpu] all services healthy"); !strings.Contains(logs, "the answer is 42") {
		t.Errorf("logs:\n%s\nwant what the service says", logs)
	}
	docker.MustExec("stop", id)
	if code := docker.ExitCode(id); code != 0 {
		t.Errorf("stopped: exit code %d\n%s", code, docker.Logs(id))
	}
}

// withoutTerminal changes a bundle's configuration: umoci's wants a terminal.
func withoutTerminal(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	process := config["process"].(map[string]any)
	process["terminal"] = false
	delete(process, "rlimits") // which this machine may not be allowed to raise
	if data, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
