package packages

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// NVIDIA is the name of the archive that CUDA's packages come from.
const NVIDIA = "nvidia"

// cudaMajors has the versions that names without a minor version stand for, and names
// without any. What nixpkgs has under these names changes from release to release.
var cudaMajors = sync.OnceValue(func() map[string]string {
	return map[string]string{"": "12.8", "11": "11.8", "12": "12.8", "13": "13.0"}
})

// CUDAVersion returns the version of CUDA of a set of packages, "12.8" for
// "cudaPackages_12_8"; "" if the name is no such set.
func CUDAVersion(set string) string {
	rest, ok := strings.CutPrefix(set, "cudaPackages")
	if !ok || rest != "" && rest[0] != '_' || strings.Contains(rest, ".") {
		return ""
	}
	version := strings.ReplaceAll(strings.TrimPrefix(rest, "_"), "_", ".")
	if full, ok := cudaMajors()[version]; ok && (version != "" || rest == "") {
		return full
	}
	major, minor, ok := strings.Cut(version, ".")
	if !ok {
		return ""
	}
	minor, _, _ = strings.Cut(minor, ".") // cudaPackages_12_8_1: NVIDIA's packages are by major and minor
	for _, n := range []string{major, minor} {
		if _, err := strconv.ParseUint(n, 10, 16); err != nil {
			return ""
		}
	}
	return major + "." + minor
}

// cudaParts has NVIDIA's Debian packages for the parts of a set. {v} stands for the
// version with a dash, {m} for its major number. The names are from NVIDIA's own images
// and guides:
//
//	https://gitlab.com/nvidia/container-images/cuda (dist/12.8.1/ubuntu2404: base, runtime, devel, cudnn)
//	https://docs.nvidia.com/cuda/cuda-installation-guide-linux/ (meta packages)
//	https://docs.nvidia.com/deeplearning/cudnn/installation/latest/linux.html
//	https://docs.nvidia.com/deeplearning/nccl/install-guide/
var cudaParts = sync.OnceValue(func() map[string]string {
	return map[string]string{
		// What programs load.
		"cuda_cudart":  "cuda-cudart-{v}",
		"cuda_nvrtc":   "cuda-nvrtc-{v}",
		"cuda_nvtx":    "cuda-nvtx-{v}",
		"cuda_cupti":   "cuda-cupti-{v}",
		"cuda_opencl":  "cuda-opencl-{v}",
		"libcublas":    "libcublas-{v}",
		"libcufft":     "libcufft-{v}",
		"libcufile":    "libcufile-{v}",
		"libcurand":    "libcurand-{v}",
		"libcusolver":  "libcusolver-{v}",
		"libcusparse":  "libcusparse-{v}",
		"libnpp":       "libnpp-{v}",
		"libnvfatbin":  "libnvfatbin-{v}",
		"libnvjitlink": "libnvjitlink-{v}",
		"libnvjpeg":    "libnvjpeg-{v}",
		"cudnn":        "libcudnn9-cuda-{m}",
		"nccl":         "libnccl2",

		// What compiles them.
		"cudatoolkit":         "cuda-compiler-{v} cuda-libraries-{v} cuda-libraries-dev-{v}",
		"cudatoolkit-unsplit": "cuda-compiler-{v} cuda-libraries-{v} cuda-libraries-dev-{v}",
		"cuda_nvcc":           "cuda-nvcc-{v} cuda-cudart-dev-{v}",
		"cuda_cccl":           "cuda-cccl-{v}",
		"cuda_cuobjdump":      "cuda-cuobjdump-{v}",
		"cuda_gdb":            "cuda-gdb-{v}",
		"cuda_nvprune":        "cuda-nvprune-{v}",
		"cuda_nvdisasm":       "cuda-nvdisasm-{v}",
		"cuda_sanitizer_api":  "cuda-sanitizer-{v}",
		"cuda_nvml_dev":       "cuda-nvml-dev-{v}",

		// A newer libcuda for old drivers of data-centre GPUs, outside the loader's
		// folders.
		"cuda_compat": "cuda-compat-{v}",
	}
})

// CUDARuntime returns the parts that a container with a set of CUDA packages has: the
// libraries that programs load.
func CUDARuntime(set string) []string {
	version := CUDAVersion(set)
	parts := []string{"cuda_cudart", "cuda_nvrtc", "libcublas", "libcufft", "libcufile", "libcurand", "libcusolver", "libcusparse"}
	if major, _, _ := strings.Cut(version, "."); atoi(major) >= 12 {
		parts = append(parts, "libnvjitlink")
	}
	return append(parts, "cudnn", "nccl")
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // CUDAVersion has checked it
	return n
}

// CUDAParts returns the names in a set of CUDA packages, sorted.
func CUDAParts() []string { return slices.Sorted(maps.Keys(cudaParts())) }

// cudaPackage makes the row for a part of a version of CUDA. NVIDIA's packages install
// into one folder, so most parts are views of that; cuDNN and NCCL are among the system's
// own libraries.
func cudaPackage(version, child string) entry {
	e := entry{source: NVIDIA, programs: "-"}
	major, _, _ := strings.Cut(version, ".")
	expand := strings.NewReplacer("{v}", strings.ReplaceAll(version, ".", "-"), "{m}", major)
	if e.debian = expand.Replace(cudaParts()[child]); e.debian == "" {
		e.debian = expand.Replace(strings.ReplaceAll(strings.ToLower(child), "_", "-") + "-{v}")
	}
	root := "/usr/local/cuda-" + version
	switch child {
	case "nccl":
		e.admits = cudaBuild(version)
		fallthrough
	case "cudnn":
		e.links = "/lib=/usr/lib/*-linux-gnu /include=/usr/include"
	default:
		if strings.HasPrefix(child, "cudatoolkit") || child == "cuda_nvcc" {
			e.dirs, e.programs = root+"/bin /usr/local/cuda*/bin", "nvcc"
		}
		for _, sub := range []string{"/lib=", "/lib64="} {
			e.links += sub + root + "/lib64 " + sub + "/usr/local/cuda*/lib64 "
		}
		e.links += "/include=" + root + "/include /include=/usr/local/cuda*/include"
	}
	return e
}

// cudaBuild returns a function that reports whether a version of a package is for a
// version of CUDA. NCCL has one name for all of them, and CUDA's version is in its own, as
// in "2.25.1-1+cuda12.8". An earlier CUDA of the same major version will do.
func cudaBuild(cuda string) func(version string) bool {
	major, minor, _ := strings.Cut(cuda, ".")
	return func(version string) bool {
		_, build, ok := strings.Cut(version, "+cuda")
		if !ok {
			return true
		}
		m, n, _ := strings.Cut(build, ".")
		return m == major && atoi(n) <= atoi(minor)
	}
}

// OfDriver reports whether a package is part of NVIDIA's driver. No image has those: they
// must fit the host's kernel, and the host's runtime lends them to containers.
func OfDriver(name string) bool {
	if name == "libcuda1" || name == "libnvidia-ml1" || strings.HasPrefix(name, "nvidia-driver") || strings.HasPrefix(name, "cuda-drivers") ||
		strings.HasPrefix(name, "nvidia-kernel") || strings.HasPrefix(name, "nvidia-open") || strings.HasPrefix(name, "xserver-xorg-video-nvidia") {
		return true
	}
	switch name {
	case "nvidia-smi", "nvidia-alternative", "libnvcuvid1", "libnvoptix1", "libcudadebugger1", "nvidia-persistenced", "nvidia-modprobe", "nvidia-libopencl1", "nvidia-opencl-icd":
		return true
	}
	for _, prefix := range []string{"libnvidia-compute", "libnvidia-decode", "libnvidia-encode", "libnvidia-cfg", "libnvidia-gl", "libnvidia-fbc", "libnvidia-extra",
		"libnvidia-nvvm", "libnvidia-ptxjitcompiler", "libnvidia-opticalflow", "libnvidia-gpucomp", "nvidia-compute-utils", "nvidia-utils"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// An NVIDIARepository is NVIDIA's repository for a release of Debian or Ubuntu.
type NVIDIARepository struct {
	URLs        map[string]string // by Debian's name of the architecture; each is a flat repository
	KeyURL      string
	Fingerprint string // of the key that signs it
}

// The key that signs all of NVIDIA's repositories for Debian and Ubuntu since 2022,
// "3bf863cc" in https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/gpg-keys-used-to-sign-the-packages.html;
// its fingerprint is in https://github.com/NVIDIA/cuda-repo-management/blob/main/SIGNATURES.md.
const (
	nvidiaRoot        = "https://developer.download.nvidia.com/compute/cuda/repos/"
	nvidiaFingerprint = "EB693B3035CD5710E231E123A4B469963BF863CC"
)

// nvidiaSuites has NVIDIA's names of releases and of the architectures that it supports:
// https://docs.nvidia.com/cuda/cuda-installation-guide-linux/.
var nvidiaSuites = sync.OnceValue(func() map[string][2]string {
	return map[string][2]string{
		"bullseye": {"debian11", "x86_64"},
		"bookworm": {"debian12", "x86_64"},
		"trixie":   {"debian13", "x86_64"},
		"jammy":    {"ubuntu2204", "x86_64 sbsa"},
		"noble":    {"ubuntu2404", "x86_64 sbsa"},
	}
})

// NVIDIAFor returns the repository for a release, by its code name; without URLs if NVIDIA
// has none.
func NVIDIAFor(suite string) NVIDIARepository {
	r := NVIDIARepository{URLs: map[string]string{}}
	words, ok := nvidiaSuites()[suite]
	if !ok {
		return r
	}
	for _, machine := range strings.Fields(words[1]) {
		arch := map[string]string{"x86_64": "amd64", "sbsa": "arm64"}[machine]
		r.URLs[arch] = nvidiaRoot + words[0] + "/" + machine
		if r.KeyURL == "" {
			r.KeyURL = r.URLs[arch] + "/3bf863cc.pub"
		}
	}
	r.Fingerprint = nvidiaFingerprint
	return r
}

// HasFor reports whether a map by architecture, in which "" stands for all, has an entry
// for one.
func HasFor(byArch map[string]string, arch string) bool {
	_, one := byArch[arch]
	_, all := byArch[""]
	return one || all
}
