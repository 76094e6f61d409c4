package container_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

// What a GPU program does first: nvidia-smi opens the driver's library by its
// name, and so does a program of CUDA.
const gpuServices = `{ perSystem.nix2gpu."my-container" = {
  services.custom."gpu-check" = {
    enable = true;
    command = "nvidia-smi -L";
    restart = "no";
  };
  services.custom."inference-api" = {
    enable = true;
    command = [ "python3" "-c" "import ctypes, signal; ctypes.CDLL('libcuda.so.1'); ctypes.CDLL('libcuda.so'); print('cuda is loaded', flush=True); signal.pause()" ];
    depends_on.gpu-check = "completed";
  };
}; }`

const gpuTranscript = `[nix2gpu] container initialization starting...
[nix2gpu] starting process-compose with 2 services
[nix2gpu] gpu-check: starting
[nix2gpu] inference-api: waiting for dependencies
[nix2gpu] gpu-check: completed
[nix2gpu] inference-api: starting
[nix2gpu] all services healthy
[nix2gpu] without a probe: inference-api`

// Without a GPU the check fails, with what to do, and what waits for it is skipped.
func TestPageGPUCheck(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", gpuServices)
	id := strings.TrimSpace(e.Type("docker run -d my-container:latest"))
	if code := e.ExitCode(id); code != 127 {
		t.Errorf("exit code %d, want 127", code)
	}
	wantOwn(t, e.Logs(id), `[nix2gpu] container initialization starting...
[nix2gpu] starting process-compose with 2 services
[nix2gpu] gpu-check: starting
[nix2gpu] inference-api: waiting for dependencies
[nix2gpu] gpu-check: failed: no GPU here: run with --gpus all
[nix2gpu] inference-api: skipped: gpu-check failed (no GPU here: run with --gpus all)
[nix2gpu] 0 of 2 services healthy; failed: gpu-check (no GPU here: run with --gpus all); skipped: inference-api`)
}

// The same where a shell looks for it, whatever stands beside it.
func TestGPUCheckByAShell(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
  custom."gpu-check" = { enable = true; restart = "no"; command = "nvidia-smi && echo there is one"; };
  custom."strict" = { enable = true; restart = "no"; command = [ "bash" "-ec" "nvidia-smi -L; echo there is one" ]; };
  custom."piped" = { enable = true; restart = "no"; command = "nvidia-smi -L | { read card; }"; };
  custom."careful" = { enable = true; restart = "no"; command = "nvidia-smi || echo goes on without"; };
  custom."asks" = { enable = true; restart = "no"; command = "command -v nvidia-smi >/dev/null; exit 127"; };
}; }`)
	id := strings.TrimSpace(e.Type("docker run -d my-container:latest"))
	e.ExitCode(id)
	logs := e.Logs(id)
	for _, want := range []string{
		"[gpu-check] bash: line 1: nvidia-smi: command not found\n", // and whoever reads on:
		"[nix2gpu] gpu-check: failed: no GPU here: run with --gpus all\n",
		"[nix2gpu] strict: failed: no GPU here: run with --gpus all\n",
		"[nix2gpu] piped: failed: exit code 1\n", "[nix2gpu] piped: hint: nvidia-smi, which its command runs, is missing: no GPU here: run with --gpus all\n",
		"[careful] goes on without\n", "[nix2gpu] careful: completed\n",
		"[nix2gpu] asks: failed: exit code 127\n",
	} {
		if !strings.Contains(logs, want) {
			t.Errorf("logs lack %q:\n%s", want, logs)
		}
	}
}

// "docker run --gpus" as it is typed: the engine calls the runtime's hook before
// the container starts. What the hook leaves undone boot does, and what it has
// done is left alone.
func TestGPUsByTheRuntimesHook(t *testing.T) {
	e := engine.Docker(t)
	cache, err := os.ReadFile("/etc/ld.so.cache") // of a machine without the driver: stale
	if err != nil {
		t.Fatal(err)
	}
	ldconfig, err := os.ReadFile("/sbin/ldconfig")
	if err != nil {
		t.Fatal(err)
	}
	image(t, e, "my-container:latest", gpuServices, map[string]string{"/etc/ld.so.cache": string(cache), "/usr/sbin/ldconfig": string(ldconfig)})
	for _, c := range []struct {
		name     string
		args     string
		cards    []gputest.Card
		ldconfig bool   // the hook runs it
		seen     string // the UUID of the one card that services see
		by       string // what boot has done, in its log or in the environment of services
	}{
		{"without links", "--gpus all", gputest.H100(), false, gputest.UUID0, "ran ldconfig"},
		{"with links", "--gpus all", gputest.H100(), true, gputest.UUID0, "looked for GPUs"},
		{"read-only", "--gpus all --read-only --tmpfs /run --tmpfs /tmp", gputest.H100(), false, gputest.UUID0, "LD_LIBRARY_PATH=/run/nix2gpu-gpu"},
		{"another user", "--gpus all --user 1000", gputest.H100(), false, gputest.UUID0, "LD_LIBRARY_PATH=/tmp/nix2gpu-1000-gpu"},
		{"one of two", "--gpus device=1", gputest.Two(), false, gputest.UUID1, "ran ldconfig"},
		{"by UUID", "--gpus device=" + gputest.UUID0, gputest.Two(), false, gputest.UUID0, "ran ldconfig"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := gputest.New(t, c.cards)
			e.LendGPUs(t, s.Hook(c.ldconfig))
			id := strings.TrimSpace(e.Type("docker run -d " + c.args + " my-container:latest"))
			logs := e.WaitLogs(id, "without a probe: inference-api")
			if c.name != "another user" { // which is told what is left out
				wantOwn(t, logs, gpuTranscript)
			}
			if strings.Count(logs, "[gpu-check] GPU ") != 1 || !strings.Contains(logs, "[gpu-check] GPU 0: "+c.cards[0].Name+" (UUID: "+c.seen+")\n") {
				t.Errorf("nvidia-smi does not show the one card:\n%s", logs)
			}
			e.WaitLogs(id, "[inference-api] cuda is loaded\n")
			environ := e.MustExec("exec", id, "bash", "-c", "tr '\\0' '\\n' </proc/$(pgrep -of signal.pause)/environ")
			if strings.Contains(environ, "CUDA_VISIBLE_DEVICES=") {
				t.Errorf("services are told of GPUs that the runtime keeps away by itself:\n%s", environ)
			}
			log := e.MustExec("exec", id, "bash", "-c", "cat /var/lib/nix2gpu/boot.log 2>/dev/null || true") // kept where the root takes files
			if !strings.Contains(log+environ, c.by) || c.ldconfig && (strings.Contains(log, "linked") || strings.Contains(log, "ran ldconfig")) {
				t.Errorf("want %q in the boot log\n%s\nor in the environment\n%s", c.by, log, environ)
			}
			e.MustExec("rm", "-f", id)
		})
	}
}

// However a runtime lends the driver, programs find it, and boot says nothing of it.
func TestLentGPU(t *testing.T) {
	e := engine.Docker(t)
	cache, err := os.ReadFile("/etc/ld.so.cache") // of a machine without the driver: stale
	if err != nil {
		t.Fatal(err)
	}
	image(t, e, "my-container:latest", gpuServices, map[string]string{"/etc/ld.so.cache": string(cache)})
	s := gputest.New(t, gputest.H100())
	ldconfig := []string{"-v", "/sbin/ldconfig:/usr/sbin/ldconfig:ro"}
	readOnly := []string{"--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp"}
	load := []string{"python3", "-c", "import ctypes; ctypes.CDLL('libcuda.so.1'); print('loaded')"}
	for _, c := range []struct {
		name   string
		folder string
		args   []string
		exec   bool // programs beside the services find it too
	}{
		{"CDI", gputest.LibDir(), ldconfig, true},
		{"CDI without ldconfig", gputest.LibDir(), nil, true}, // the loader looks there by itself
		{"read-only", gputest.LibDir(), append(readOnly, ldconfig...), false},
		{"another user", gputest.LibDir(), append([]string{"--user", "1000"}, ldconfig...), false},
		{"GKE", "/usr/local/nvidia/lib64", ldconfig, true},
		{"WSL", "/usr/lib/wsl/lib", ldconfig, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := e.Container(append(append(s.Docker(c.folder), c.args...), "my-container:latest")...)
			logs := e.WaitLogs(id, "without a probe: inference-api")
			if c.name != "another user" { // which is told what is left out
				wantOwn(t, logs, gpuTranscript)
			}
			if !strings.Contains(logs, "[gpu-check] GPU 0: NVIDIA H100 80GB HBM3 (UUID: "+gputest.UUID0+")\n") {
				t.Errorf("nvidia-smi did not answer:\n%s", logs)
			}
			e.WaitLogs(id, "[inference-api] cuda is loaded\n")
			out, _, code := e.Exec(append([]string{"exec", id}, load...)...)
			if found := code == 0 && out == "loaded\n"; found != c.exec {
				t.Errorf("beside the services: found is %t, want %t", found, c.exec)
			}
			e.MustExec("stop", id)
		})
	}
}

// What libnvidia-container has done already is left alone.
func TestLegacyRuntime(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", gpuServices)
	s := gputest.New(t, gputest.H100())
	args := append(s.Docker(gputest.LibDir()), "-v", "/sbin/ldconfig:/usr/sbin/ldconfig:ro", "--entrypoint", "bash", "my-container:latest",
		"-c", "ldconfig && ln -s libcuda.so.1 "+gputest.LibDir()+"/libcuda.so && exec nix2gpu boot") // ldconfig makes the other links
	id := e.Container(args...)
	wantOwn(t, e.WaitLogs(id, "without a probe: inference-api"), gpuTranscript)
	log := e.MustExec("exec", id, "cat", "/var/lib/nix2gpu/boot.log")
	if !strings.Contains(log, "looked for GPUs") || strings.Contains(log, "linked") || strings.Contains(log, "ran ldconfig") {
		t.Errorf("the boot log has\n%s", log)
	}
}

// A stop while the driver hangs is heeded at once.
func TestStopWhileNvidiaSMIHangs(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services.custom."train" = { enable = true; command = "sleep infinity"; gpu.count = 1; }; }`)
	s := gputest.New(t, gputest.H100())
	s.SetMode(gputest.Hang)
	id := e.Container(append(s.Docker(gputest.LibDir()), "my-container:latest")...)
	if !testkit.Eventually(func() bool { return strings.Contains(s.Asked(), "--query-gpu") }) {
		t.Fatal("nvidia-smi was not asked")
	}
	e.MustExec("kill", "--signal", "TERM", id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	wantOwn(t, e.Logs(id), "[nix2gpu] container initialization starting...\n[nix2gpu] stopped during initialization")
}

// In a container nvidia-smi tells the host's process numbers: memory is told by
// service where a number is one of ours for sure, and else not at all.
func TestGPUMemoryInContainer(t *testing.T) {
	e := engine.Docker(t)
	s := gputest.New(t, gputest.H100())
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
  custom."train" = { enable = true; command = "`+s.Hold(2048, 0)+`"; gpu.count = 1; };
  custom."web" = { enable = true; command = "sleep infinity"; };
  custom."broken" = { enable = true; command = "bash -c 'exit 3'"; gpu.count = 1; restart = "no"; depends_on.web = "started"; };
}; }`)
	kmsg := filepath.Join(t.TempDir(), "kmsg")
	if err := os.WriteFile(kmsg, []byte("6,1,5,-;usb 1-1: new device\n4,2,9000000000000,-;NVRM: Xid (PCI:0000:1b:00): 79, GPU has fallen off the bus.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := e.Container(append(s.Docker(gputest.LibDir()), "-v", kmsg+":/dev/kmsg:ro", "my-container:latest")...)
	logs := e.WaitLogs(id, "2 of 3 services healthy; failed: broken (exit code 3)")
	if want := "[nix2gpu] broken: the driver reported Xid 79 of GPU 0000:1b:00: the GPU has fallen off the bus: restart the host\n"; !strings.Contains(logs, want) {
		t.Errorf("the Xid is not told:\n%s", logs)
	}
	e.WaitLogs(id, "[train] holds 2048 MiB")
	top := func() string { t.Helper(); return e.MustExec("exec", id, "nix2gpu", "top") }
	const unknown = "1 program holds 2 GiB of the GPUs, and of which service is not known: nvidia-smi tells the host's process numbers; run with --pid=host to see them by service"
	if out := top(); !strings.Contains(out, "2 GiB of GPU 0\n") || strings.Contains(out, unknown) || !strings.Contains(out, "note: the driver reported Xid 79") {
		t.Errorf("a driver that tells our numbers:\n%s", out)
	}
	s.State.PIDOffset = 1 << 20
	s.Save()
	if out := top(); strings.Contains(out, "of GPU 0\n") || !strings.Contains(out, "note: "+unknown+"\n") {
		t.Errorf("a driver that tells the host's numbers:\n%s", out)
	}
	// By accident one of the host's numbers is that of a service that has no GPU.
	web := regexp.MustCompile(`pid: +([0-9]+)`).FindStringSubmatch(e.MustExec("exec", id, "nix2gpu", "status", "web"))
	if web == nil {
		t.Fatal("status shows no pid of web")
	}
	pid, err := strconv.Atoi(web[1])
	if err != nil {
		t.Fatal(err)
	}
	s.State.Apps = []gputest.App{{PID: pid, UUID: gputest.UUID0, Used: 7000}}
	s.Save()
	if out := top(); strings.Contains(out, "of GPU 0\n") || !strings.Contains(out, "note: 2 programs hold 8.8 GiB") {
		t.Errorf("another's number:\n%s", out)
	}
}
