package packages_test

import (
	"slices"
	"strings"
	"testing"

	"nix2gpu/packages"
)

func TestCUDAVersion(t *testing.T) {
	for set, want := range map[string]string{
		"cudaPackages_12_8": "12.8", "cudaPackages_13_0": "13.0", "cudaPackages_12_8_1": "12.8", "cudaPackages": "12.8", "cudaPackages_12": "12.8", "cudaPackages_11": "11.8",
		"": "", "cudaPackages_": "", "cudaPackages_12_": "", "cudaPackages_x_8": "", "cudaPackages_14": "", "cudaPackagesX": "", "python3Packages": "", "cudaPackages_12_8.nccl": "",
	} {
		if got := packages.CUDAVersion(set); got != want {
			t.Errorf("CUDAVersion(%q) = %q, want %q", set, got, want)
		}
	}
}

// Every part of CUDA that a container gets is in the table, by the version of its set.
func TestCUDARuntime(t *testing.T) {
	for set, want := range map[string]string{
		"cudaPackages_12_8": "cuda-cudart-12-8 cuda-nvrtc-12-8 libcublas-12-8 libcufft-12-8 libcufile-12-8 libcurand-12-8 libcusolver-12-8 libcusparse-12-8 libnvjitlink-12-8 libcudnn9-cuda-12 libnccl2",
		"cudaPackages_11_8": "cuda-cudart-11-8 cuda-nvrtc-11-8 libcublas-11-8 libcufft-11-8 libcufile-11-8 libcurand-11-8 libcusolver-11-8 libcusparse-11-8 libcudnn9-cuda-11 libnccl2",
	} {
		var got []string
		for _, part := range packages.CUDARuntime(set) {
			p := packages.Lookup(set + "." + part)
			if !p.Known || p.Source != packages.NVIDIA || !slices.Contains(packages.CUDAParts(), part) {
				t.Errorf("%s.%s is of source %q, known: %t", set, part, p.Source, p.Known)
			}
			got = append(got, p.Debian...)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s is %q\nwant %q", set, text, want)
		}
	}
}

// NCCL has one name for all versions of CUDA.
func TestCUDABuilds(t *testing.T) {
	admits := packages.Lookup("cudaPackages_12_8.nccl").Admits
	for version, want := range map[string]bool{
		"2.25.1-1+cuda12.8": true, "2.20.5-1+cuda12.4": true, "2.27.3-1+cuda12.9": false, "2.29.7-1+cuda13.0": false, "2.16.2-1+cuda11.8": false, "2.25.1-1": true,
	} {
		if got := admits(version); got != want {
			t.Errorf("for CUDA 12.8 version %s will do: %t", version, got)
		}
	}
	if packages.Lookup("cudaPackages_12_8.cudnn").Admits != nil {
		t.Error("versions of a package with its own name for each CUDA are looked at")
	}
}

func TestOfDriver(t *testing.T) {
	for name, want := range map[string]bool{
		"libcuda1": true, "cuda-drivers-570": true, "libnvidia-compute-570": true, "nvidia-driver-libs": true, "libnvidia-ml1": true, "nvidia-smi": true,
		"libnvidia-container1": false, "cuda-cudart-12-8": false, "libcudnn9-cuda-12": false, "cuda-compat-12-8": false, "nvidia-container-toolkit": false, "nvtop": false,
	} {
		if got := packages.OfDriver(name); got != want {
			t.Errorf("OfDriver(%q) = %t", name, got)
		}
	}
}

func TestNVIDIAFor(t *testing.T) {
	r := packages.NVIDIAFor("noble")
	if r.URLs["arm64"] != "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/sbsa" || r.URLs["amd64"] != "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64" ||
		r.KeyURL != r.URLs["amd64"]+"/3bf863cc.pub" || len(r.Fingerprint) != 40 {
		t.Errorf("for noble: %+v", r)
	}
	if r := packages.NVIDIAFor("bookworm"); len(r.URLs) != 1 || !strings.HasSuffix(r.URLs["amd64"], "/debian12/x86_64") {
		t.Errorf("for bookworm: %+v", r)
	}
	if r := packages.NVIDIAFor("sid"); len(r.URLs) != 0 || r.KeyURL != "" {
		t.Errorf("for sid: %+v", r)
	}
}
