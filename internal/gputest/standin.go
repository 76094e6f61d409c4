package gputest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Driver is the version of the stand-in's driver.
const Driver = "570.133.20"

// UUIDs of the stand-in's cards, in their order, and of its MIG devices.
const (
	UUID0 = "GPU-5f1c2d6e-8a47-4f3b-9c1d-0e2a7b6c4d10"
	UUID1 = "GPU-a2b39c04-17de-4c55-b6f8-9d0e1f2a3b4c"
	MIG0  = "MIG-0b6c54d2-93ae-5d07-8f41-2c7e5a9d1b36"
	MIG1  = "MIG-c1d84e97-25fb-5a60-9e3c-7b0f4d2a8e51"
)

// A Card is a GPU of the stand-in. Sizes are in MiB, like nvidia-smi's.
type Card struct {
	Index  int    `json:"index"`
	UUID   string `json:"uuid"`
	Name   string `json:"name"`
	Memory int    `json:"memory"`
	Used   int    `json:"used"` // without what the stand-in's programs hold
	Cap    string `json:"cap"`
	Bus    string `json:"bus"`
	MIGs   []MIG  `json:"migs"` // if not empty, MIG is enabled
}

// A MIG is a part of a card.
type MIG struct {
	Profile string `json:"profile"`
	UUID    string `json:"uuid"`
}

// An App is a program that nvidia-smi lists as holding memory.
type App struct {
	PID  int    `json:"pid"`
	UUID string `json:"uuid"`
	Used int    `json:"used"`
}

// The modes of nvidia-smi.
const (
	OK       = "ok"
	Hang     = "hang"     // it does not answer, and SIGTERM does not end it
	Mismatch = "mismatch" // Driver/library version mismatch
	Unknown  = "unknown"  // Unknown Error: the devices were taken away
	NoDriver = "no-driver"
)

// A State is what nvidia-smi answers from.
type State struct {
	Mode   string `json:"mode"`
	Driver string `json:"driver"`
	CUDA   [2]int `json:"cuda"` // the newest version that the driver supports
	Cards  []Card `json:"cards"`
	Apps   []App  `json:"apps"` // without the stand-in's programs
	// Unknown are query fields that this driver's nvidia-smi does not have.
	Unknown []string `json:"unknown"`
	// PIDOffset is added to pids that nvidia-smi prints, as if they were the host's.
	PIDOffset int `json:"pidOffset"`
	// Release is how many seconds the memory of a program that has ended stays in use,
	// from the first query on; if negative, until [Standin.Free].
	Release float64 `json:"release"`
}

// H100 returns a card for data centres.
func H100() []Card {
	return []Card{{UUID: UUID0, Name: "NVIDIA H100 80GB HBM3", Memory: 81559, Used: 1, Cap: "9.0", Bus: "00000000:1B:00.0"}}
}

// Two returns two cards for gamers.
func Two() []Card {
	return []Card{
		{UUID: UUID0, Name: "NVIDIA GeForce RTX 4090", Memory: 24564, Used: 12, Cap: "8.9", Bus: "00000000:01:00.0"},
		{Index: 1, UUID: UUID1, Name: "NVIDIA GeForce RTX 4090", Memory: 24564, Used: 4, Cap: "8.9", Bus: "00000000:41:00.0"},
	}
}

// Sliced returns a card that MIG has divided into two parts.
func Sliced() []Card {
	cards := H100()
	cards[0].MIGs = []MIG{{"1g.10gb", MIG0}, {"3g.40gb", MIG1}}
	return cards
}

// A Standin is a folder that stands in for a driver and its cards.
type Standin struct {
	Dir   string
	State State

	t testing.TB
}

//go:embed nvidia-smi.py
var smiSource string

//go:embed hold.py
var holdSource string

//go:embed hook.py
var hookSource string

// sonames are the libraries that NVIDIA's runtimes lend, as far as tests need
// them: what CUDA, nvidia-smi and the compiler of kernels open.
var sonames = [...]string{"libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1"}

// folder makes a folder for the time of the test. Its caller sets the mode.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nix2gpu-gpu-") // not t.TempDir, which is ours alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// New makes a stand-in with these cards. Services of any user can read its folder.
func New(t testing.TB, cards []Card) *Standin {
	t.Helper()
	dir := folder(t)
	s := &Standin{Dir: dir, State: State{Mode: OK, Driver: Driver, CUDA: [2]int{12, 8}, Cards: cards, Release: 3}, t: t}
	for _, d := range []string{"", "bin", "lib", "links", "dev", "held"} {
		mode := os.FileMode(0o755)
		if d == "held" {
			mode = 0o777
		}
		if err := os.MkdirAll(filepath.Join(dir, d), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, d), mode); err != nil {
			t.Fatal(err)
		}
	}
	s.write("bin/nvidia-smi", strings.ReplaceAll(smiSource, "@HOME@", dir), 0o755)
	s.write("bin/hold", strings.ReplaceAll(holdSource, "@HOME@", dir), 0o755)
	s.write("asked", "", 0o666)
	for _, soname := range sonames {
		file := strings.TrimSuffix(soname, "1") + Driver
		s.write("lib/"+file, string(Library(soname)), 0o755)
		if err := os.Symlink("../lib/"+file, filepath.Join(dir, "links", soname)); err != nil {
			t.Fatal(err)
		}
	}
	s.Save()
	return s
}

func (s *Standin) write(name, content string, mode os.FileMode) {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		s.t.Fatal(err)
	}
}

// Save makes nvidia-smi answer from the present State.
func (s *Standin) Save() {
	s.t.Helper()
	data, err := json.Marshal(s.State)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("state.new", string(data), 0o644)
	if err := os.Rename(filepath.Join(s.Dir, "state.new"), filepath.Join(s.Dir, "state.json")); err != nil {
		s.t.Fatal(err)
	}
}

// SetMode sets the mode, and saves the State.
func (s *Standin) SetMode(mode string) {
	s.t.Helper()
	s.State.Mode = mode
	s.Save()
}

// Free frees the memory of programs that have ended.
func (s *Standin) Free() {
	s.t.Helper()
	s.State.Release = 0
	s.Save()
}

// Asked returns the arguments of all calls of nvidia-smi so far, one call in each line.
func (s *Standin) Asked() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.Dir, "asked"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// Env returns variables by which processes on this machine use the driver: its programs
// are first in PATH, a PATH to extend, and the loader finds its libraries.
func (s *Standin) Env(path string) []string {
	return []string{"PATH=" + filepath.Join(s.Dir, "bin") + ":" + path, "LD_LIBRARY_PATH=" + filepath.Join(s.Dir, "links")}
}

// Hold returns the command of a program that holds mib MiB of memory of a card.
func (s *Standin) Hold(mib, card int) string {
	return fmt.Sprintf("%s %d %d", filepath.Join(s.Dir, "bin", "hold"), mib, card)
}

// LibDir returns Debian's folder for libraries of this machine's architecture.
func LibDir() string {
	if runtime.GOARCH == "arm64" {
		return "/usr/lib/aarch64-linux-gnu"
	}
	return "/usr/lib/x86_64-linux-gnu"
}

// Docker returns the arguments of "docker run" that give a container the device nodes,
// nvidia-smi and, in the folder libs, the driver's libraries, versioned and without
// links, like CDI. It needs root.
func (s *Standin) Docker(libs string) []string {
	s.t.Helper()
	args := []string{"-v", s.Dir + ":" + s.Dir, "-v", filepath.Join(s.Dir, "bin/nvidia-smi") + ":" + s.smi(libs) + ":ro"}
	for _, node := range s.nodes(libs) {
		path := s.node(node)
		args = append(args, "--device", path+":/dev/"+node)
	}
	files, err := os.ReadDir(filepath.Join(s.Dir, "lib"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		args = append(args, "-v", filepath.Join(s.Dir, "lib", f.Name())+":"+libs+"/"+f.Name()+":ro")
	}
	return args
}

// Hook returns a program that does what NVIDIA's runtime hook does before a container
// starts, according to the container's environment. It adds versioned libraries; with
// ldconfig it also makes their links and the loader's cache, unlike CDI.
func (s *Standin) Hook(ldconfig bool) (program string) {
	s.t.Helper()
	for _, node := range s.nodes(LibDir()) {
		s.node(node)
	}
	run := ""
	if ldconfig {
		run = "yes"
	}
	s.write("bin/hook", strings.NewReplacer("@HOME@", s.Dir, "@LIBS@", LibDir(), "@LDCONFIG@", run).Replace(hookSource), 0o755)
	return filepath.Join(s.Dir, "bin", "hook")
}

// DockerCommand puts a docker command beside nvidia-smi that handles "--gpus all" like
// NVIDIA's runtime, and passes everything else to cli.
func (s *Standin) DockerCommand(cli string) {
	s.t.Helper()
	quoted := ""
	for _, arg := range s.Docker(LibDir()) {
		quoted += " '" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	s.write("bin/docker", "#!/bin/bash\nargs=()\nwhile [ $# -gt 0 ]; do\n  if [ \"$1 $2\" = '--gpus all' ]; then args+=("+quoted+
		"); shift; else args+=(\"$1\"); fi\n  shift\ndone\nexec "+cli+" \"${args[@]}\"\n", 0o755)
}

// smi returns where a runtime that puts libraries into libs puts nvidia-smi.
func (s *Standin) smi(libs string) string {
	switch libs {
	case "/usr/local/nvidia/lib64":
		return "/usr/local/nvidia/bin/nvidia-smi"
	case "/usr/lib/wsl/lib":
		return libs + "/nvidia-smi"
	}
	return "/usr/bin/nvidia-smi"
}

// nodes returns the device nodes that come with libraries in libs.
func (s *Standin) nodes(libs string) []string {
	if libs == "/usr/lib/wsl/lib" {
		return []string{"dxg"}
	}
	nodes := []string{"nvidiactl", "nvidia-uvm"}
	for _, c := range s.State.Cards {
		nodes = append(nodes, fmt.Sprintf("nvidia%d", c.Index))
	}
	return nodes
}

// node makes a device node: the kernel's null device under another name.
func (s *Standin) node(name string) string {
	s.t.Helper()
	path := filepath.Join(s.Dir, "dev", name)
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil && err != unix.EEXIST {
		s.t.Fatalf("mknod %s: %v", path, err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		s.t.Fatal(err)
	}
	return path
}
