package container

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nix2gpu/gpu"
)

// This file decides what to do about GPUs. gpu.go collects the facts, and does it.

// gpuFolders are where runtimes put the driver's libraries: Debian's folders
// and Red Hat's, GKE's and WSL's.
var gpuFolders = [...]string{"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"}

// compatFolder is where CUDA's compatibility package has its libraries.
const compatFolder = "/usr/local/cuda/compat"

// gpuConf is the file that lists the folders for ldconfig. Its name sorts behind the
// system's own, so that a library that the loader found before is still the one that
// it finds.
const gpuConf = "/etc/ld.so.conf.d/zz-nix2gpu-gpu.conf"

// A gpuLibrary is a library of the driver, in one version.
type gpuLibrary struct {
	file   string // "libcuda.so.570.133.20"
	soname string // "libcuda.so.1": the name that programs load
	linked string // the target of the link soname in the folder; "" if there is none
	bare   bool   // there is a "libcuda.so" too, which some programs load
}

// cudaName is the SONAME of CUDA's library in the driver.
const cudaName = "libcuda.so.1"

// A gpuFolder is a folder with libraries of the driver.
type gpuFolder struct {
	dir       string
	libraries []gpuLibrary
	writable  bool
	cached    bool // the loader's cache has all of them
}

// gpuSeen holds the facts that a plan is made from.
type gpuSeen struct {
	wanted   bool   // something in the project needs a GPU
	visible  string // NVIDIA_VISIBLE_DEVICES
	devices  []string
	folders  []gpuFolder
	driver   string // version of the running driver; "" if not known
	ldconfig bool   // there is an ldconfig, and it can write its cache
	smi      string // path of nvidia-smi; "" if there is none
	inPath   bool   // PATH leads to it
	linksDir string // for links to libraries whose folder can't be written to

	compat     string // version of the libraries in compatFolder; "" if there are none
	compatHook bool   // the runtime has set them up
	compatSet  bool   // LD_LIBRARY_PATH names them

	cudaVisible bool // CUDA_VISIBLE_DEVICES is set
}

// A gpuLink is a link that a library lacks.
type gpuLink struct{ path, to string }

// A gpuNote is a message for the boot log.
type gpuNote struct{ text, hint string }

// gpuPlan is what to do about GPUs.
type gpuPlan struct {
	links       []gpuLink
	conf        []string // the lines of gpuConf, for which ldconfig is run; nil: neither
	libraryPath []string // folders to put first into LD_LIBRARY_PATH
	path        string   // a folder to put last into PATH
	cudaVisible string   // CUDA_VISIBLE_DEVICES
	notes       []gpuNote
}

func (p *gpuPlan) note(hint, format string, args ...any) {
	p.notes = append(p.notes, gpuNote{fmt.Sprintf(format, args...), hint})
}

const lendGPUs = "run with --gpus all, or with --device nvidia.com/gpu=all"

// planLibraries plans how programs find the libraries that the runtime has lent.
func planLibraries(s gpuSeen) gpuPlan {
	var p gpuPlan
	selected := gpu.ParseVisible(s.visible)
	switch {
	case len(s.devices) == 0 && len(s.folders) == 0:
		if s.wanted && selected.None {
			p.note("-e "+gpu.VisibleVar+"=all", "%s is none: there is no GPU here, and services need one", gpu.VisibleVar)
		} else if s.wanted {
			p.note(lendGPUs, "there is no GPU here, and services need one")
		}
		return p
	case len(s.folders) == 0:
		p.note(lendGPUs, "%s: the devices are here, and the driver's libraries are not", strings.Join(s.devices, ", "))
		return p
	case len(s.devices) == 0 && !selected.None && s.wanted:
		p.note(lendGPUs, "the driver's libraries are here, and no device is")
	}
	var tell []string // folders for the loader
	for _, f := range s.folders {
		if p.planFolder(f, s.linksDir) {
			tell = append(tell, f.dir)
		}
	}
	if s.ldconfig {
		p.conf = tell
	} else {
		p.libraryPath = append(p.libraryPath, tell...)
	}
	if s.smi == "" {
		p.note("add utility to NVIDIA_DRIVER_CAPABILITIES: compute,utility", "nvidia-smi is not here, so nothing is known about the GPUs")
	} else if !s.inPath {
		p.path = path.Dir(s.smi)
	}
	return p
}

// missing returns the links that a folder lacks, as paths in it, and how many of them
// are SONAMEs. Of the names without a version it has only CUDA's, which some programs
// load.
func (f gpuFolder) missing() (links []gpuLink, names int) {
	for _, l := range f.libraries {
		if l.linked == "" {
			links = append(links, gpuLink{l.soname, l.file})
			names++
		}
		if l.soname == cudaName && !l.bare {
			links = append(links, gpuLink{strings.TrimSuffix(cudaName, ".1"), cudaName})
		}
	}
	return links, names
}

// planFolder plans the links of a folder, and reports whether the loader has to be
// told about the folder.
func (p *gpuPlan) planFolder(f gpuFolder, linksDir string) (tell bool) {
	for _, l := range f.libraries {
		if l.linked != "" && l.linked != l.file && l.soname == cudaName {
			p.note("leave libcuda out of the image: it comes with the driver", "%s/%s leads to %s, which is not the driver's %s", f.dir, l.soname, l.linked, l.file)
		}
	}
	links, names := f.missing()
	if len(links) == 0 {
		return !f.cached
	}
	dir := f.dir
	if !f.writable {
		dir = linksDir
		if !slices.Contains(p.libraryPath, linksDir) {
			p.libraryPath = append(p.libraryPath, linksDir)
		}
	}
	for _, l := range links {
		to := l.to
		if !f.writable && (to != cudaName || slices.ContainsFunc(f.libraries, func(l gpuLibrary) bool { return l.soname == cudaName && l.linked != "" })) {
			to = path.Join(f.dir, to)
		}
		p.links = append(p.links, gpuLink{path.Join(dir, l.path), to})
	}
	if names == 0 { // no SONAME is missing: links for the loader are complete
		return !f.cached
	}
	return f.writable || names < len(f.libraries)
}

// asksForCards reports whether the rest of the plan depends on the cards. Asking for
// them can take a second or more.
func (s gpuSeen) asksForCards() bool {
	if s.smi == "" || len(s.devices) == 0 {
		return false
	}
	selected := gpu.ParseVisible(s.visible)
	maybeMore := len(selected.Devices) < len(s.devices) || slices.Contains(s.devices, gpu.WSLDevice) // WSL's device does not tell how many there are
	return s.compatFits() || !s.cudaVisible && len(selected.Devices) > 0 && maybeMore
}

// compatFits reports whether CUDA's compatibility libraries are newer than the driver,
// and neither the runtime nor the user has set them up.
func (s gpuSeen) compatFits() bool {
	return s.compat != "" && !s.compatHook && !s.compatSet && s.driver != "" && major(s.compat) > major(s.driver)
}

// planCards plans what depends on the cards.
func planCards(s gpuSeen, cards []gpu.Card) gpuPlan {
	var p gpuPlan
	selected := gpu.ParseVisible(s.visible)
	if !s.cudaVisible && len(s.devices) > 0 && (selected.None || len(cards) > 0) {
		p.cudaVisible = selected.Visible(cards)
	}
	if !s.compatFits() || len(cards) == 0 {
		return p
	}
	if i := slices.IndexFunc(cards, func(c gpu.Card) bool { return !c.DataCentre() }); i >= 0 {
		p.note("upgrade the host's driver", "the driver %s is older than CUDA's own %s, and its compatibility libraries are for cards of data centres, not for %s", s.driver, s.compat, cards[i])
		return p
	}
	p.libraryPath = []string{compatFolder}
	p.note("", "the driver %s is older than CUDA's own %s: services use the compatibility libraries in %s", s.driver, s.compat, compatFolder)
	return p
}

// major returns the first number of a version, by which drivers are compared.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first) // versions were matched by a pattern of digits
	return n
}

var (
	libraryName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^lib(?:cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[a-z0-9-]+)\.so\.[0-9]+(?:\.[0-9]+)+$`)
	})
	driverVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s([0-9]{3,}\.[0-9]+(?:\.[0-9]+)?)(?:\s|$)`) })
	compatVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^libcuda\.so\.([0-9]{3,}\.[0-9]+(?:\.[0-9]+)?)$`) })
)
