package container

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/gpu"
	"nix2gpu/safefile"
)

// cudaVisibleVar is the variable that limits which GPUs CUDA uses.
const cudaVisibleVar = "CUDA_VISIBLE_DEVICES"

// gpus makes programs find the driver that the host has lent. What is wrong goes to
// the boot log only: a service that needs a GPU will report it.
func gpus(ctx context.Context, m *Machine) error {
	seen := m.seeGPUs()
	if len(seen.devices) > 0 || len(seen.folders) > 0 {
		var folders []string
		for _, f := range seen.folders {
			folders = append(folders, f.dir)
		}
		m.Log.Info("looked for GPUs", "devices", seen.devices, "libraries", folders, "driver", seen.driver, gpu.VisibleVar, seen.visible)
	}
	if err := m.doGPUs(ctx, planLibraries(seen)); err != nil {
		return err
	}
	var cards []gpu.Card
	if seen.asksForCards() {
		var err error
		if cards, err = gpu.Cards(ctx, m.askGPUs); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var e *gpu.Error
			hint := ""
			if errors.As(err, &e) {
				hint = e.Hint
			}
			m.Log.Warn("nothing is known of the GPUs", "err", err, "hint", hint)
		}
		for _, c := range cards {
			m.Log.Info("found", "gpu", c.String(), "uuid", c.UUID, "memory", gpu.Bytes(c.Memory), "capability", c.Capability)
		}
	}
	return m.doGPUs(ctx, planCards(seen, cards))
}

// askGPUs runs nvidia-smi with the environment that services get.
func (m *Machine) askGPUs(ctx context.Context, args ...string) (string, int, error) {
	program, ok := gpu.Find(m.Root, m.getenv("PATH"))
	if !ok || m.Exec == nil {
		return "", 0, gpu.Absent(true)
	}
	return m.Exec(ctx, m.Environ, append([]string{m.path(program)}, args...)...)
}

func (m *Machine) doGPUs(ctx context.Context, p gpuPlan) error {
	for _, n := range p.notes {
		m.Log.Warn(n.text, "hint", n.hint)
	}
	var failed []error
	for _, l := range p.links {
		if err := m.linkLibrary(l); err != nil {
			failed = append(failed, err)
		}
	}
	if p.conf != nil {
		if err := m.runLdconfig(ctx, p.conf); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m.Log.Warn("the loader's cache stays as it is; services get LD_LIBRARY_PATH", "err", err)
			p.libraryPath = append(p.libraryPath, p.conf...)
		}
	}
	if len(p.libraryPath) > 0 {
		old := slices.DeleteFunc(filepath.SplitList(m.getenv("LD_LIBRARY_PATH")), func(dir string) bool {
			return dir == "" || slices.Contains(p.libraryPath, dir)
		})
		m.setenv("LD_LIBRARY_PATH", strings.Join(append(p.libraryPath, old...), ":"))
	}
	if p.path != "" {
		m.setenv("PATH", strings.TrimPrefix(m.getenv("PATH")+":"+p.path, ":"))
	}
	if p.cudaVisible != "" {
		m.setenv(cudaVisibleVar, p.cudaVisible)
		m.Log.Info("services see what "+gpu.VisibleVar+" names", cudaVisibleVar, p.cudaVisible)
	}
	return errors.Join(failed...)
}

// linkLibrary makes a link, also in place of one that leads nowhere.
func (m *Machine) linkLibrary(l gpuLink) error {
	at := m.path(l.path)
	if filepath.Dir(l.path) == m.gpuLinksDir() {
		mode := fs.FileMode(0o700)
		if m.UID == 0 {
			mode = 0o755 // services of other users need it too
		}
		if err := safefile.MakeFolder(filepath.Dir(at), mode); err != nil {
			return err
		}
	}
	if to, err := os.Readlink(at); err == nil {
		if _, err := os.Stat(at); to == l.to || err == nil {
			return nil
		}
		if err := os.Remove(at); err != nil {
			return err
		}
	}
	if err := os.Symlink(l.to, at); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	m.Log.Info("linked", "library", l.path, "to", l.to)
	return nil
}

// runLdconfig adds the folders to the loader's cache.
func (m *Machine) runLdconfig(ctx context.Context, folders []string) error {
	err := m.edit(gpuConf, 0o644, func(lines []string) []string {
		for _, f := range folders {
			if !slices.Contains(lines, f) {
				lines = append(lines, f)
			}
		}
		return lines
	})
	if err != nil {
		return err
	}
	program := m.ldconfig()
	if program == "" || m.Exec == nil {
		return errors.New("the image has no ldconfig")
	}
	limited, cancel := context.WithTimeout(ctx, gpu.Limit)
	defer cancel()
	out, code, err := m.Exec(limited, m.Environ, m.path(program))
	switch {
	case err != nil:
		return fmt.Errorf("ldconfig: %w", err)
	case code != 0:
		return fmt.Errorf("ldconfig: exit code %d: %s", code, strings.Join(strings.Fields(out), " "))
	}
	m.Log.Info("ran ldconfig", "folders", folders)
	return nil
}

func (m *Machine) ldconfig() string {
	for _, name := range []string{"/sbin/ldconfig", "/usr/sbin/ldconfig"} {
		if info, err := os.Stat(m.path(name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return name
		}
	}
	return ""
}

// gpuLinksDir is the folder for links to libraries whose own folder can't be written
// to.
func (m *Machine) gpuLinksDir() string {
	if m.UID == 0 {
		return "/run/nix2gpu-gpu"
	}
	return "/tmp/nix2gpu-" + strconv.Itoa(m.UID) + "-gpu"
}

// seeGPUs collects the facts that a plan is made from.
func (m *Machine) seeGPUs() gpuSeen {
	s := gpuSeen{
		wanted: m.wantsGPUs(), visible: m.getenv(gpu.VisibleVar), devices: gpu.Devices(m.path("/")),
		linksDir: m.gpuLinksDir(), ldconfig: m.ldconfig() != "" && m.mayWrite("/etc"),
	}
	_, s.cudaVisible = m.lookupEnv(cudaVisibleVar)
	cache, _ := os.ReadFile(m.path("/etc/ld.so.cache")) // without a cache, nothing is known to the loader
	seen := map[string]bool{}
	for _, dir := range gpuFolders {
		real, err := filepath.EvalSymlinks(m.path(dir))
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		if f := m.seeFolder(dir, cache); len(f.libraries) > 0 {
			s.folders = append(s.folders, f)
		}
	}
	if len(s.devices) == 0 && len(s.folders) == 0 {
		return s // without a driver, nothing else matters
	}
	s.driver = m.driverVersion(s.folders)
	if program, ok := gpu.Find(m.path("/"), m.getenv("PATH")); ok {
		s.smi, s.inPath = program, slices.Contains(filepath.SplitList(m.getenv("PATH")), filepath.Dir(program))
	}
	entries, _ := os.ReadDir(m.path(compatFolder)) // most images lack it
	for _, e := range entries {
		if v := compatVersion().FindStringSubmatch(e.Name()); v != nil {
			s.compat = v[1]
		}
	}
	hook, _ := filepath.Glob(m.path("/etc/ld.so.conf.d/00-compat-*.conf")) // the pattern is well-formed
	s.compatHook = len(hook) > 0
	s.compatSet = slices.Contains(filepath.SplitList(m.getenv("LD_LIBRARY_PATH")), compatFolder)
	return s
}

// wantsGPUs reports whether something in the container is to use a GPU.
func (m *Machine) wantsGPUs() bool {
	if m.Project == nil {
		return false
	}
	for _, s := range m.Project.Services {
		if s.GPUs != nil && !s.Disabled {
			return true
		}
	}
	return m.Project.Container.CUDA != ""
}

func (m *Machine) mayWrite(dir string) bool { return unix.Access(m.path(dir), unix.W_OK) == nil }

// seeFolder looks for the driver's libraries in a folder.
func (m *Machine) seeFolder(dir string, cache []byte) gpuFolder {
	f := gpuFolder{dir: dir, writable: m.mayWrite(dir), cached: true}
	entries, err := os.ReadDir(m.path(dir))
	if err != nil {
		return f
	}
	for _, e := range entries {
		if !libraryName().MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		l := gpuLibrary{file: e.Name(), soname: m.soname(filepath.Join(dir, e.Name()))}
		if l.soname == "" || l.soname == l.file {
			continue
		}
		if real, err := filepath.EvalSymlinks(m.path(filepath.Join(dir, l.soname))); err == nil {
			l.linked = filepath.Base(real)
		}
		if l.soname == cudaName {
			_, err := os.Stat(m.path(filepath.Join(dir, strings.TrimSuffix(cudaName, ".1"))))
			l.bare = err == nil
		}
		f.cached = f.cached && m.inCache(cache, dir, l.soname)
		f.libraries = append(f.libraries, l)
	}
	return f
}

// inCache reports whether the loader's cache has a library of a folder. The cache
// holds whole paths, each ended by a zero byte. Where /lib is a link, Debian's
// ldconfig writes the path through that link.
func (m *Machine) inCache(cache []byte, dir, soname string) bool {
	dirs := []string{dir}
	if short, ok := strings.CutPrefix(dir, "/usr"); ok {
		a, errA := os.Stat(m.path(dir))
		b, errB := os.Stat(m.path(short))
		if errA == nil && errB == nil && os.SameFile(a, b) {
			dirs = append(dirs, short)
		}
	}
	return slices.ContainsFunc(dirs, func(d string) bool {
		return bytes.Contains(cache, []byte("\x00"+filepath.Join(d, soname)+"\x00"))
	})
}

// soname returns the SONAME of a library; "" if it has none.
func (m *Machine) soname(library string) string {
	file, err := elf.Open(m.path(library))
	if err != nil {
		return ""
	}
	defer file.Close()
	names, err := file.DynString(elf.DT_SONAME)
	if err != nil || len(names) != 1 || strings.ContainsAny(names[0], "/\x00") {
		return ""
	}
	return names[0]
}

// driverVersion returns the version of the running driver: as the kernel reports it,
// or else that of the library that talks to it.
func (m *Machine) driverVersion(folders []gpuFolder) string {
	text, _ := os.ReadFile(m.path("/proc/driver/nvidia/version")) // WSL has no such file
	if v := driverVersion().FindSubmatch(text); v != nil {
		return string(v[1])
	}
	for _, f := range folders {
		for _, l := range f.libraries {
			if v, ok := strings.CutPrefix(l.file, "libnvidia-ml.so."); ok && major(v) >= 100 {
				return v
			}
		}
	}
	return ""
}
