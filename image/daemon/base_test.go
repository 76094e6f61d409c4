package daemon_test

import (
	"debug/elf"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
	"nix2gpu/internal/wheeltest"
)

// counts is a program of a wheel that says who runs it, of which files, and whether
// a library that the wheel brings can be loaded.
const counts = `import ctypes, importlib.metadata, os, sys
def main():
    here = os.path.dirname(__file__)
    ctypes.CDLL(os.path.join(here, "libcounts.so"))
    base = open("/etc/of-the-base").read().strip()
    names = sorted(d.metadata["Name"] for d in importlib.metadata.distributions(path=[os.path.dirname(here)]))
    print("counts", importlib.metadata.version("counts"), "by python", sys.version_info[0], "on", base, "beside", *names, flush=True)
    os.execvp("sleep", ["sleep", "infinity"])
`

// Wheels on a base run by the Python that the base has, in every variant: a base is
// built, pushed, named by its digest, and the image on it comes up healthy in docker.
func TestWheelsOnABase(t *testing.T) {
	docker, binary := engine.Docker(t), testkit.Binary(t)
	cache, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	srv := httptest.NewServer(registry.New(quiet))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	machine := map[string]elf.Machine{"x86_64": elf.EM_X86_64, "aarch64": elf.EM_AARCH64}
	kind, err := exec.Command("uname", "-m").Output()
	if err != nil {
		t.Fatal(err)
	}
	arch := strings.TrimSpace(string(kind))
	w := wheeltest.Wheel{Name: "counts", Tag: "cp311-cp311-manylinux_2_17_" + arch, Scripts: []string{"counts = counts:main"}, Metadata: []string{"Requires-Dist: helps"},
		Files: map[string]string{"counts/__init__.py": counts, "counts/libcounts.so": debtest.Library("libcounts.so", machine[arch])}}
	helps := wheeltest.Wheel{Name: "helps"}
	index := wheeltest.Serve(t, wheeltest.Of(t, w), wheeltest.Of(t, helps))

	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(docker.Dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(docker.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The engine's network has no way out, so all is made here and loaded there.
	run := func(t *testing.T, folder string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Dir = filepath.Join(docker.Dir, folder)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache, "CI=", "NO_COLOR=1", "PIP_INDEX_URL="+index.URL)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("nix2gpu %s: %v\n%s", strings.Join(args, " "), err, said.String())
		}
		return strings.TrimSpace(string(out))
	}
	write("base/nix2gpu.nix", `{ perSystem.nix2gpu.base = { pkgs, ... }: { systemPackages = [ pkgs.python3 ]; copyToRoot = [ ./root ]; maxLayers = 12; services = { }; }; }`)
	write("base/root/etc/of-the-base", "the base\n")
	digest := run(t, "base", "build", "-o", "base.oci")
	run(t, "base", "push", "--from", "base.oci", "--to", host+"/me/base:1")
	write("ml/requirements.txt", fmt.Sprintf("counts==1.0 --hash=sha256:%s\nhelps==1.0 --hash=sha256:%s\n", wheeltest.SHA256(w.Bytes(t)), wheeltest.SHA256(helps.Bytes(t))))
	write("ml/nix2gpu.nix", fmt.Sprintf(`{
  perSystem.nix2gpu.ml = {
    fromImage = "%s/me/base@%s";
    python.requirements = ./requirements.txt;
    services.custom.counts = { enable = true; command = "counts"; readiness_probe.exec.command = "true"; };
  };
}
`, host, digest))
	for _, variant := range []string{"slim", "minimal"} {
		t.Run(variant, func(t *testing.T) {
			name := "ml:" + variant
			run(t, "ml", "build", "--variant", variant, "--tag", variant, "-o", variant+".tar")
			docker.Load(filepath.Join(docker.Dir, "ml", variant+".tar"))
			id := docker.Container("--network", "none", name)
			docker.WaitLogs(id, "[nix2gpu] all services healthy")
			if logs := docker.WaitLogs(id, "counts 1.0 by"); !strings.Contains(logs, "counts 1.0 by python 3 on the base beside counts helps") {
				t.Errorf("logs:\n%s", logs)
			}
			docker.MustExec("stop", id)
			if code := docker.ExitCode(id); code != 0 {
				t.Errorf("stopped: exit code %d\n%s", code, docker.Logs(id))
			}
		})
	}
}
