package image_test

import (
	"strings"
	"testing"

	"nix2gpu/image"
	"nix2gpu/internal/debtest"
)

// NVIDIA's packages as an image: what their scripts would do is done, so that a
// program finds the libraries, and the driver's never come in.
func TestCUDAImage(t *testing.T) {
	p := shop()
	p.Container.CUDA = "cudaPackages_12_8"
	s := spec(t, p)
	for _, d := range debtest.CUDA("12.8") {
		switch d.Name {
		case "cuda-cudart-12-8", "cuda-toolkit-config-common", "cuda-compat-12-8", "libcublas-12-8", "cuda-cudart-dev-12-8":
			d.Signed = true
			s.Packages = append(s.Packages, packaged(t, d))
		}
	}
	b := build(t, s)
	made := map[string]string{}
	for _, l := range b.Layers {
		list, content := entries(t, l)
		for _, h := range list {
			made[strings.TrimSuffix(h.Name, "/")] = h.Linkname + content[h.Name]
		}
	}
	if made["usr/local/cuda"] != "cuda-12.8" || made["usr/local/cuda-12"] != "cuda-12.8" {
		t.Errorf("/usr/local/cuda leads to %q, /usr/local/cuda-12 to %q", made["usr/local/cuda"], made["usr/local/cuda-12"])
	}
	if conf := made["etc/ld.so.conf.d/nix2gpu-cuda.conf"]; conf != "/usr/local/cuda-12.8/targets/x86_64-linux/lib\n" {
		t.Errorf("the loader is told of %q", conf)
	}
	cache := made["etc/ld.so.cache"]
	for _, library := range []string{"libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12"} {
		if !strings.Contains(cache, "/targets/x86_64-linux/lib/"+library+"\x00") {
			t.Errorf("the loader's cache has no %s", library)
		}
	}
	if strings.Contains(cache, "libcuda.so") {
		t.Error("the loader's cache has a libcuda")
	}
	config, err := b.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(config.Config.Env, "\n") + "\n"
	for _, line := range []string{"CUDA_VERSION=12.8\n", "NVIDIA_REQUIRE_CUDA=cuda>=12.8\n", "NVIDIA_DRIVER_CAPABILITIES=compute,utility\n", "NVIDIA_VISIBLE_DEVICES=all\n"} {
		if !strings.Contains(env, line) {
			t.Errorf("Env has no %q", line)
		}
	}
	if l := config.Config.Labels; l["com.nvidia.cuda.version"] != "12.8" || l["com.nvidia.volumes.needed"] != "nvidia_driver" {
		t.Errorf("labels are %v", l)
	}
	if len(b.Warnings) > 0 {
		t.Errorf("warnings: %q", b.Warnings)
	}

	for _, d := range debtest.CUDA("12.8") {
		if d.Name == "libcuda1" {
			s.Packages = append(s.Packages, packaged(t, d))
		}
	}
	want := `package "libcuda1": "/usr/lib/x86_64-linux-gnu/libcuda.so.1" is of NVIDIA's driver, which the host lends to a container`
	if _, err := image.Build(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with the driver's library: %v\nwant %s", err, want)
	}
}
