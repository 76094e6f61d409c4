package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/image"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// ubuntuBase is what is known of a small Ubuntu with some versions of CUDA, of which
// dpkg knows the packages.
func ubuntuBase(t *testing.T, installed string, versions ...string) *image.Base {
	t.Helper()
	files := map[string]string{
		"bin -> usr/bin": "", "sbin -> usr/sbin": "", "lib -> usr/lib": "", "etc/os-release": "ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME=\"Ubuntu 24.04\"\n",
		"var/lib/dpkg/status":                           "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n\n",
		"usr/share/keyrings/ubuntu-archive-keyring.gpg": "ubuntu \xff\x99", "usr/share/keyrings/ubuntu-archive-removed-keys.gpg": "removed", "usr/share/keyrings/cuda-archive-keyring.gpg": "cuda",
	}
	if installed != "" {
		files["var/lib/dpkg/status"] += "Package: " + installed + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
	}
	for _, v := range versions {
		files["usr/local/cuda-"+v+"/lib64/libcudart.so"] = v
	}
	b, err := image.ReadBase(t.Context(), "nvidia/cuda@sha256:00", "amd64", testkit.Image(t, "amd64", v1.Config{}, testkit.Layer(t, files)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCUDATwice(t *testing.T) {
	for _, c := range []struct {
		set, installed string
		has            []string
		want           string
	}{
		{"cudaPackages_12_8", "cuda-cudart-12-8", []string{"12.8"}, ""},
		{"cudaPackages_12_8", "", nil, ""},
		{"", "cuda-cudart-12-4", []string{"12.4"}, ""},
		{"cudaPackages_12_8", "cuda-cudart-12-4", []string{"12.4"}, "f.nix:3:5: CUDA comes twice: 12.4 in the base, and 12.8 by cudaPackages; take a base with 12.8 or without any, or cuda.enable = false"},
		{"cudaPackages_12_8", "cuda-cudart-12-8", []string{"12.4", "12.10", "12.8"}, "f.nix:3:5: CUDA comes twice: 12.10, 12.8, 12.4 in the base, and 12.8 by cudaPackages; take a base with 12.8 or without any, or cuda.enable = false"},
		{"cudaPackages_12_8", "", []string{"12.8"}, "f.nix:3:5: CUDA comes twice: 12.8 in the base, and 12.8 by cudaPackages; the base's is of no package; set cuda.enable = false where it has all that programs load"},
	} {
		p := &project.Project{Container: project.Container{CUDA: c.set, CUDAPos: project.Pos{File: "f.nix", Line: 3, Col: 5}}}
		if got := strings.Join(baseWarnings(p, ubuntuBase(t, c.installed, c.has...)), "\n"); got != c.want {
			t.Errorf("%s on %v: %q\nwant %q", c.set, c.has, got, c.want)
		}
	}
}

// What the cache keeps of a base is what was read of it, keys byte for byte; those of
// keys that are no longer good are not among them.
func TestBaseIsKept(t *testing.T) {
	data, err := encodeBase(ubuntuBase(t, "", "12.8"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "base")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := decodeBase(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := trusted(b, b.Distribution); !bytes.Equal(got, []byte("ubuntu \xff\x99")) {
		t.Errorf("keys of Ubuntu are %q", got)
	}
	if got := trusted(b, "cuda"); string(got) != "cuda" || b.Suite != "noble" || len(b.CUDA()) != 1 || len(b.Installed()) != 1 {
		t.Errorf("keys of NVIDIA %q, suite %q, CUDA %v, installed %v", got, b.Suite, b.CUDA(), b.Installed())
	}
	if err := os.Truncate(file, int64(len(data)/2)); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeBase(file); err == nil {
		t.Error("half of what was kept is no error")
	}
}
