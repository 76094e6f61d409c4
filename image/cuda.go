package image

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/deb"
	"nix2gpu/packages"
)

// cudaEnv returns the variables that NVIDIA's runtime reads from the image's Env, for a
// set of CUDA packages: which GPUs and which parts of the driver to add, and which
// drivers are too old.
func cudaEnv(set string) map[string]string {
	if set == "" {
		return nil
	}
	env := map[string]string{"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
	if version := packages.CUDAVersion(set); version != "" {
		env["CUDA_VERSION"] = version
		env["NVIDIA_REQUIRE_CUDA"] = "cuda>=" + version
	}
	return env
}

// cudaLabels returns the labels by which platforms recognise an image for GPUs.
func cudaLabels(set string) map[string]string {
	labels := map[string]string{}
	if version := packages.CUDAVersion(set); version != "" {
		labels["com.nvidia.cuda.version"] = version
		labels["com.nvidia.volumes.needed"] = "nvidia_driver"
	}
	return labels
}

// cudaRoots returns the folders of CUDA in the image, "usr/local/cuda-12.8", newest
// first.
func cudaRoots(t *tree) []string {
	var roots []string
	for base := range t.children["usr/local"] {
		if version, ok := strings.CutPrefix(base, "cuda-"); ok && strings.Contains(version, ".") && t.facts["usr/local/"+base].Kind == deb.Dir {
			roots = append(roots, "usr/local/"+base)
		}
	}
	slices.SortFunc(roots, func(a, b string) int { return debian.Compare(path.Base(b), path.Base(a)) })
	return roots
}

// cuda makes the links that NVIDIA's scripts make with update-alternatives,
// /usr/local/cuda and one for each major version, and the loader's configuration.
func cuda(s *system) ([]*node, error) {
	roots := cudaRoots(s.tree)
	made := map[string]*node{}
	for _, root := range roots {
		version := strings.TrimPrefix(path.Base(root), "cuda-")
		major, _, _ := strings.Cut(version, ".")
		for _, name := range []string{"usr/local/cuda", "usr/local/cuda-" + major} {
			if _, ok := s.tree.facts[name]; !ok && made[name] == nil {
				made[name] = link(name, path.Base(root))
			}
		}
	}
	if conf := cudaConf(s); conf != "" {
		made[cudaConfFile] = file(cudaConfFile, conf)
	}
	return slices.Collect(maps.Values(made)), nil
}

const cudaConfFile = "etc/ld.so.conf.d/nix2gpu-cuda.conf"

// cudaConf returns the folders of CUDA's libraries for the loader, without that of
// cuda-compat. That has a libcuda, which must be chosen only when the container runs
// and the driver is known.
func cudaConf(s *system) string {
	var conf strings.Builder
	for _, root := range cudaRoots(s.tree) {
		places := []string{root + "/lib64"}
		for machine := range s.tree.children[root+"/targets"] {
			places = append(places, root+"/targets/"+machine+"/lib")
		}
		slices.Sort(places)
		seen := map[string]bool{}
		for _, place := range places {
			if at, ok := s.tree.resolve(place); ok && !seen[at] && len(s.tree.children[at]) > 0 {
				seen[at] = true
				fmt.Fprintf(&conf, "/%s\n", at)
			}
		}
	}
	return conf.String()
}

// isOfDriver reports whether a file is a library of NVIDIA's driver that programs would
// find: not one of cuda-compat, nor one of the stubs for linking.
func isOfDriver(name string) bool {
	if strings.Contains(name, "/compat/") || strings.Contains(name, "/stubs/") {
		return false
	}
	base := path.Base(name)
	for _, library := range []string{"libcuda", "libcudadebugger", "libnvidia-ml", "libnvidia-ptxjitcompiler", "libnvidia-nvvm", "libnvidia-opencl", "libnvcuvid", "libnvidia-encode", "libnvoptix"} {
		if strings.HasPrefix(base, library+".so") {
			return true
		}
	}
	return false
}

func driverError(name string) error {
	return fmt.Errorf("%q is of NVIDIA's driver, which the host lends to a container: in an image it would be of another version than the host's kernel\nhint: leave it out", "/"+name)
}
