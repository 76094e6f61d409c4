package gputest

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/gpu"
)

// A Machine has GPUs and a driver that runs: a stand-in's, or this machine's own. It is
// for tests of what holds for both.
type Machine struct {
	Card gpu.Card   // the first
	Real bool       // the driver is NVIDIA's
	s    *Standin   // nil if Real
	smi  string     // path of nvidia-smi
	libs []string   // the driver's versioned libraries; nil for a stand-in
	hold string     // path of a program that holds memory
	t    testing.TB // of the test that asked for it
}

//go:embed cuda.py
var cudaSource string

// Each runs a test with a stand-in of these cards, and on a machine that has GPUs
// with those too.
func Each(t *testing.T, cards []Card, f func(t *testing.T, m *Machine)) {
	t.Run("stand-in", func(t *testing.T) {
		s := New(t, cards)
		f(t, s.Machine())
	})
	if smi := realSMI(); smi != "" {
		t.Run("real", func(t *testing.T) { f(t, realMachine(t, smi)) })
	}
}

// realSMI returns the nvidia-smi of a machine with a driver that runs, or "".
func realSMI() string {
	if _, err := os.Stat("/dev/nvidiactl"); err != nil {
		return ""
	}
	smi, err := exec.LookPath(gpu.Program)
	if err != nil {
		return ""
	}
	return smi
}

// Machine returns the stand-in as what it stands for.
func (s *Standin) Machine() *Machine {
	s.t.Helper()
	m := &Machine{s: s, smi: filepath.Join(s.Dir, "bin", gpu.Program), hold: filepath.Join(s.Dir, "bin", "hold"), t: s.t}
	m.Card = m.Cards()[0]
	return m
}

func realMachine(t testing.TB, smi string) *Machine {
	t.Helper()
	dir := folder(t)
	m := &Machine{Real: true, smi: smi, hold: filepath.Join(dir, "hold"), t: t}
	if err := os.WriteFile(m.hold, []byte(cudaSource), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, m.hold} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.Card = m.Cards()[0]
	cache, err := exec.CommandContext(t.Context(), "/sbin/ldconfig", "-p").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(cache)) {
		_, path, found := strings.Cut(strings.TrimSpace(line), " => ")
		if !found || filepath.Base(path) != "libcuda.so.1" {
			continue
		}
		if path, err = filepath.EvalSymlinks(path); err != nil || !strings.HasSuffix(path, "."+m.Card.Driver) {
			continue // of another architecture, or a package's own
		}
		m.libs, _ = filepath.Glob(filepath.Join(filepath.Dir(path), "lib*.so."+m.Card.Driver)) // the pattern is well-formed
		break
	}
	if m.libs == nil {
		t.Fatalf("the loader knows no libcuda.so.1 of the driver %s:\n%s", m.Card.Driver, cache)
	}
	return m
}

// Ask runs nvidia-smi. It is a gpu.Ask.
func (m *Machine) Ask(ctx context.Context, args ...string) (string, int, error) {
	return run(ctx, m.smi, append(os.Environ(), m.Env(os.Getenv("PATH"))...), args)
}

// Cards asks for the cards.
func (m *Machine) Cards() []gpu.Card {
	m.t.Helper()
	cards, err := gpu.Cards(m.t.Context(), m.Ask)
	if err != nil {
		m.t.Fatal(err)
	}
	return cards
}

// Env returns the variables by which processes use the driver; see [Standin.Env].
func (m *Machine) Env(path string) []string {
	if m.Real {
		return []string{"PATH=" + path}
	}
	return m.s.Env(path)
}

// Hold returns the command of a program that holds mib MiB of memory of the first card,
// and prints "holds MIB MiB" once it does. On a real card the driver holds more for the
// program's context. The program is a file that containers can be given.
func (m *Machine) Hold(mib int) string { return fmt.Sprintf("%s %d 0", m.hold, mib) }

// Mounts returns the arguments of "podman run" that programs of [Machine.Hold] need.
func (m *Machine) Mounts() []string {
	if m.Real {
		return []string{"-v", m.hold + ":" + m.hold + ":ro"}
	}
	return []string{"-v", m.s.Dir + ":" + m.s.Dir}
}

// Fault returns the command of a program that writes to memory of the card that is not
// its own. The driver reports it as Xid 31 in the kernel's log, and ends its context.
func (m *Machine) Fault() string { return fmt.Sprintf("%s 16 0 fault", m.hold) }

// Forget makes a stand-in forget who holds memory: the process numbers of a container
// that has ended mean others in the next one. A real driver knows by itself.
func (m *Machine) Forget() {
	m.t.Helper()
	if m.Real {
		return
	}
	held, _ := filepath.Glob(filepath.Join(m.s.Dir, "held", "*")) // the pattern is well-formed
	for _, file := range held {
		if err := os.Remove(file); err != nil {
			m.t.Error(err)
		}
	}
}

// specs is where engines look for devices besides /etc/cdi
// (github.com/cncf-tags/container-device-interface, SPEC.md).
const specs = "/var/run/cdi"

// CDI writes a specification of all cards in the form that NVIDIA's toolkit generates,
// but for its hooks, which make links and run ldconfig, and returns the name for
// "--device". The specification is removed at the end of the test.
func (m *Machine) CDI() (device string) {
	m.t.Helper()
	type mount struct {
		HostPath      string   `json:"hostPath"`
		ContainerPath string   `json:"containerPath"`
		Options       []string `json:"options"`
	}
	type node struct {
		Path     string `json:"path"`
		HostPath string `json:"hostPath,omitempty"`
	}
	type edits struct {
		Env    []string `json:"env,omitempty"`
		Nodes  []node   `json:"deviceNodes,omitempty"`
		Mounts []mount  `json:"mounts,omitempty"`
	}
	type named struct {
		Name  string `json:"name"`
		Edits edits  `json:"containerEdits"`
	}
	var spec struct {
		Version string  `json:"cdiVersion"`
		Kind    string  `json:"kind"`
		Devices []named `json:"devices"`
		Edits   edits   `json:"containerEdits"`
	}
	spec.Version, spec.Kind = "0.3.0", fmt.Sprintf("nix2gpu.test/gpu-%d", os.Getpid())
	spec.Edits.Env = []string{gpu.VisibleVar + "=void"}
	lend := func(file, as string) {
		spec.Edits.Mounts = append(spec.Edits.Mounts, mount{file, as, []string{"ro", "nosuid", "nodev", "bind"}})
	}
	lend(m.smi, "/usr/bin/"+gpu.Program)
	libs := m.libs
	var all edits
	if m.Real {
		nodes, _ := filepath.Glob("/dev/nvidia*") // the pattern is well-formed
		for _, path := range nodes {
			if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeCharDevice != 0 {
				all.Nodes = append(all.Nodes, node{Path: path})
			}
		}
	} else {
		for _, name := range m.s.nodes(LibDir()) {
			all.Nodes = append(all.Nodes, node{"/dev/" + name, m.s.node(name)})
		}
		libs, _ = filepath.Glob(filepath.Join(m.s.Dir, "lib", "*")) // the pattern is well-formed
	}
	for _, lib := range libs {
		lend(lib, LibDir()+"/"+filepath.Base(lib))
	}
	spec.Devices = []named{{"all", all}}
	data, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.MkdirAll(specs, 0o755); err != nil {
		m.t.Fatal(err)
	}
	file := filepath.Join(specs, strings.ReplaceAll(spec.Kind, "/", "-")+".json")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { os.Remove(file) })
	return spec.Kind + "=all"
}
