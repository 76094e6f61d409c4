package daemon

import (
	"os"
	"path/filepath"
	"slices"
)

// HasGPU reports whether this machine has a GPU for containers.
func (o Options) HasGPU() bool {
	// The devices of NVIDIA's driver, and of WSL's.
	return slices.ContainsFunc([]string{"/dev/nvidiactl", "/dev/dxg"}, func(file string) bool {
		_, err := os.Stat(filepath.Join("/", o.Root, file))
		return err == nil
	})
}

// hasCDI reports whether one of the folders has a CDI file for NVIDIA's devices.
func (o Options) hasCDI(dirs []string) bool {
	for _, dir := range dirs {
		if found, err := filepath.Glob(filepath.Join("/", o.Root, dir, "nvidia*")); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}
