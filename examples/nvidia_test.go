package examples

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/debtest"
	"nix2gpu/internal/engine"
)

// nvidia returns a module with a repository like NVIDIA's, which the test makes, signs
// and serves, as a mirror would.
func nvidia(t testing.TB) (module string) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("NVIDIA has no CUDA for Debian but on amd64")
	}
	key := debtest.NewKey(t, 0)
	server := debtest.Serve(t, debtest.NVIDIA(t, key, time.Now().Add(-time.Hour), "x86_64", debtest.CUDA("12.8")...))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvidia.asc"), key.Public(t), 0o644); err != nil {
		t.Fatal(err)
	}
	module = filepath.Join(dir, "nvidia.nix")
	text := "{ aptSources.nvidia = { url = " + strconv.Quote(server.URL) + "; key = ./nvidia.asc; }; }\n"
	if err := os.WriteFile(module, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return module
}

// asksCUDA reports whether a definition of a folder has CUDA.
func asksCUDA(t testing.TB, dir string) bool {
	t.Helper()
	for _, name := range []string{"nix2gpu.nix", "flake.nix"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil && strings.Contains(string(text), "cudaPackages") {
			return true
		}
	}
	return false
}

// The page's GPU service as an image, without any flag: CUDA's libraries are found by
// the loader and by Python under their usual names, and the image has nothing of the
// driver.
func TestGPUImage(t *testing.T) {
	e := engine.Docker(t)
	module := nvidia(t)
	dir := copied(t, "gpu-inference")
	archive := filepath.Join(dir, "image.tar")
	stdout, stderr, err := built(t, dir, "-o", archive, "--module", module)
	if err != nil || !strings.HasPrefix(stdout, "sha256:") || strings.Contains(stderr, "cuda") {
		t.Fatalf("build: %v, %q\n%s", err, stdout, stderr)
	}
	e.Load(archive)
	c := e.Container("--entrypoint", "/bin/sleep", "ml-inference:latest", "infinity")
	for _, check := range []struct{ command, want string }{
		{"ldconfig -p | grep -c 'libcublas.so.12 (libc6,x86-64) => /usr/local/cuda/targets/x86_64-linux/lib/'", "1"},
		{"ldconfig -p | grep libcuda.so; find / -xdev -name 'libcuda.so*' -o -xdev -name 'libnvidia-*'", ""},
		{"python -c 'import ctypes; [ctypes.CDLL(n) for n in (\"libcudart.so.12\", \"libcublas.so.12\", \"libcudnn.so.9\", \"libnccl.so.2\")]; print(\"loaded\")'", "loaded"},
		{"readlink -f /usr/local/cuda/lib64", "/usr/local/cuda-12.8/targets/x86_64-linux/lib"},
		{"dpkg-query -W -f '${Version}' libnccl2", "2.25.1-1+cuda12.8"},
		{"echo $CUDA_VERSION $NVIDIA_REQUIRE_CUDA $NVIDIA_DRIVER_CAPABILITIES $NVIDIA_VISIBLE_DEVICES", "12.8 cuda>=12.8 compute,utility all"},
	} {
		out, errs, code := e.Exec("exec", c, "sh", "-c", check.command)
		if code != 0 || strings.TrimSpace(out) != check.want {
			t.Errorf("%s: exit code %d, %q, want %q\n%s", check.command, code, out, check.want, errs)
		}
	}
	if out := e.MustExec("inspect", "-f", "{{index .Config.Labels \"com.nvidia.volumes.needed\"}}", c); strings.TrimSpace(out) != "nvidia_driver" {
		t.Errorf("the label of platforms is %q", out)
	}
	lendGPU(t, e, dir)
}
