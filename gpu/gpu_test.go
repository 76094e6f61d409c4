package gpu_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/gpu"
	"nix2gpu/internal/gputest"
	"nix2gpu/project"
)

const gib = 1 << 30

// What is true of every GPU.
func TestEveryCard(t *testing.T) {
	gputest.Each(t, gputest.H100(), func(t *testing.T, m *gputest.Machine) {
		for i, c := range m.Cards() {
			if c.Index != i || !strings.HasPrefix(c.UUID, "GPU-") || c.Name == "" || c.Driver == "" || c.Bus == "" || c.Capability == "" ||
				c.Memory < gib || c.Used < 0 || c.Free < 0 || c.Free > c.Memory {
				t.Errorf("card %d is %+v", i, c)
			}
		}
		if _, err := gpu.Apps(t.Context(), m.Ask); err != nil {
			t.Errorf("who holds memory: %v", err)
		}
		// The exit code and the words by which a field is left out, where there is none of it.
		out, code, err := m.Ask(t.Context(), "--query-gpu=index,nix2gpu", "--format=csv,noheader,nounits")
		if err != nil || code != 2 || !strings.HasPrefix(out, `Field "nix2gpu" is not a valid field to query.`) {
			t.Errorf("a field that does not exist: exit code %d, %v\n%s", code, err, out)
		}
	})
}

func TestCards(t *testing.T) {
	s := gputest.New(t, gputest.Two())
	s.State.Apps = []gputest.App{{PID: 4021, UUID: gputest.UUID1, Used: 512}}
	s.Save()
	cards, err := gpu.Cards(t.Context(), s.Ask)
	if err != nil {
		t.Fatal(err)
	}
	want := gpu.Card{Index: 1, UUID: gputest.UUID1, Name: "NVIDIA GeForce RTX 4090", Bus: "00000000:41:00.0", Driver: gputest.Driver,
		Capability: "8.9", Memory: 24564 << 20, Used: 4 << 20, Free: 24560 << 20}
	if len(cards) != 2 || fmt.Sprint(cards[1]) != fmt.Sprint(want) || fmt.Sprintf("%+v", cards[1]) != fmt.Sprintf("%+v", want) {
		t.Errorf("cards: %+v", cards)
	}
	apps, err := gpu.Apps(t.Context(), s.Ask)
	if err != nil || !slices.Equal(apps, []gpu.App{{PID: 4021, Card: gputest.UUID1, Used: 512 << 20}}) {
		t.Errorf("apps: %+v, %v", apps, err)
	}
	// The table, which changes with the driver, was never looked at.
	for line := range strings.Lines(s.Asked()) {
		if !strings.HasPrefix(line, "--query-") {
			t.Errorf("nvidia-smi was asked for %q", line)
		}
	}
}

// A driver that does not know a field is asked without it.
func TestOldDriver(t *testing.T) {
	s := gputest.New(t, gputest.Two())
	s.State.Unknown = []string{"compute_cap", "mig.mode.current", "memory.free"}
	s.Save()
	cards, err := gpu.Cards(t.Context(), s.Ask)
	if err != nil {
		t.Fatal(err)
	}
	if c := cards[0]; c.Capability != "" || c.MIG || c.Free != 24552<<20 || c.Name != "NVIDIA GeForce RTX 4090" {
		t.Errorf("card %+v", c)
	}
	s.State.Unknown = []string{"memory.total"}
	s.Save()
	wantKind(t, s, gpu.Unreadable, `does not know the field "memory.total"`)
}

func TestParts(t *testing.T) {
	s := gputest.New(t, gputest.Sliced())
	cards, err := gpu.Cards(t.Context(), s.Ask)
	if err != nil {
		t.Fatal(err)
	}
	if want := []gpu.Part{{Profile: "1g.10gb", UUID: gputest.MIG0}, {Profile: "3g.40gb", UUID: gputest.MIG1}}; !cards[0].MIG || !slices.Equal(cards[0].Parts, want) {
		t.Errorf("parts: %+v", cards)
	}
}

func wantKind(t *testing.T, s *gputest.Standin, kind gpu.Kind, text string) {
	t.Helper()
	_, err := gpu.Cards(t.Context(), s.Ask)
	var e *gpu.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Msg, text) {
		t.Errorf("got %+v, want kind %d with %q", err, kind, text)
	} else if e.Hint == "" {
		t.Errorf("%v has no cure", e)
	}
}

func TestFailures(t *testing.T) {
	s := gputest.New(t, gputest.H100())
	for mode, c := range map[string]struct {
		kind gpu.Kind
		text string
	}{
		gputest.Mismatch: {gpu.Mismatch, "of another version than the driver that runs"},
		gputest.Unknown:  {gpu.TakenAway, "taken away"},
		gputest.NoDriver: {gpu.NoDriver, "does not run"},
	} {
		s.SetMode(mode)
		wantKind(t, s, c.kind, c.text)
	}
	s.State.Cards = nil
	s.SetMode(gputest.OK)
	wantKind(t, s, gpu.None, "no GPU here")
	os.RemoveAll(filepath.Join(s.Dir, "links"))
	wantKind(t, s, gpu.NoLibrary, "libnvidia-ml.so.1")
}

// A driver that hangs costs the limit, and no more.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := gpu.Cards(t.Context(), func(ctx context.Context, _ ...string) (string, int, error) {
			<-ctx.Done()
			return "", 0, ctx.Err()
		})
		var e *gpu.Error
		if !errors.As(err, &e) || e.Kind != gpu.Hangs || !strings.Contains(e.Msg, "does not answer within 20s") || e.Hint == "" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != gpu.Limit {
			t.Errorf("it took %v, want %v", took, gpu.Limit)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := gpu.Cards(ctx, func(ctx context.Context, _ ...string) (string, int, error) { return "", 0, ctx.Err() }); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestAskFails(t *testing.T) {
	for _, c := range []struct {
		out  string
		code int
		err  error
		kind gpu.Kind
	}{
		{"", 0, fs.ErrNotExist, gpu.Missing},
		{"", 0, gpu.Absent(true), gpu.Missing},
		{"", 0, errors.New("fork: no memory"), gpu.Failed},
		{"Segmentation fault\n", 139, nil, gpu.Failed},
		{"", 0, nil, gpu.None},
		{"0, GPU-1, 100\n", 0, nil, gpu.Unreadable},
		{"zero, GPU-1, 1, 1, 1, b, 5, Disabled, 9.0, N\n", 0, nil, gpu.Unreadable},
		{"0, [N/A], 1, 1, 1, b, 5, Disabled, 9.0, N\n", 0, nil, gpu.Unreadable},
		{"0, GPU-1, -1, 1, 1, b, 5, Disabled, 9.0, N\n", 0, nil, gpu.Unreadable},
	} {
		_, err := gpu.Cards(t.Context(), func(context.Context, ...string) (string, int, error) { return c.out, c.code, c.err })
		var e *gpu.Error
		if !errors.As(err, &e) || e.Kind != c.kind {
			t.Errorf("%q, %d, %v: got %+v, want kind %d", c.out, c.code, c.err, err, c.kind)
		}
	}
	// What the driver does not say is not 0, and a name may have commas.
	cards, err := gpu.Cards(t.Context(), func(context.Context, ...string) (string, int, error) {
		return "0, GPU-1, 100, [Insufficient Permissions], [N/A], b, 5, [N/A], 9.0, Some, card\n", 0, nil
	})
	if err != nil || cards[0].Used != -1 || cards[0].Free != -1 || cards[0].MIG || cards[0].Name != "Some, card" {
		t.Errorf("got %+v, %v", cards, err)
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	put := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if path, ok := gpu.Find(root, "/usr/bin"); ok {
		t.Errorf("found %s", path)
	}
	put("usr/bin/nvidia-smi", 0o644) // cannot be executed
	put("usr/lib/wsl/lib/nvidia-smi", 0o755)
	if path, _ := gpu.Find(root, "bin:/usr/bin"); path != "/usr/lib/wsl/lib/nvidia-smi" {
		t.Errorf("found %q", path)
	}
	put("usr/local/bin/nvidia-smi", 0o755)
	if path, _ := gpu.Find(root, "/usr/local/bin:/usr/bin"); path != "/usr/local/bin/nvidia-smi" {
		t.Errorf("found %q", path)
	}
	for _, node := range []string{"dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia1", "dev/nvidia0", "dev/null"} {
		put(node, 0o644)
	}
	if found := gpu.Devices(root); !slices.Equal(found, []string{"/dev/nvidia0", "/dev/nvidia1"}) {
		t.Errorf("devices %q", found)
	}
}

func two(t *testing.T) []gpu.Card {
	t.Helper()
	return []gpu.Card{{Index: 0, UUID: "GPU-aa11", Name: "NVIDIA A", Memory: 24 * gib, Free: 2 * gib}, {Index: 1, UUID: "GPU-bb22", Name: "NVIDIA B", Memory: 80 * gib, Free: 80 * gib}}
}

func TestLack(t *testing.T) {
	sliced := []gpu.Card{{UUID: "GPU-aa11", Name: "H", Memory: 80 * gib, MIG: true, Parts: []gpu.Part{{"1g.10gb", "MIG-1"}, {"3g.40gb", "MIG-2"}}}}
	for _, c := range []struct {
		need  project.GPUs
		cards []gpu.Card
		want  string
	}{
		{project.GPUs{All: true}, two(t), ""},
		{project.GPUs{All: true}, nil, "needs a GPU, and there is none"},
		{project.GPUs{Count: 2}, two(t), ""},
		{project.GPUs{Count: 3}, two(t), "needs 3 GPUs, and there are 2"},
		{project.GPUs{Count: 2}, two(t)[:1], "needs 2 GPUs, and there is one"},
		{project.GPUs{Count: 1}, nil, "needs a GPU, and there is none"},
		{project.GPUs{Devices: []string{"1", "GPU-aa11"}}, two(t), ""},
		{project.GPUs{Devices: []string{"GPU-bb"}}, two(t), ""}, // CUDA takes the begin of one
		{project.GPUs{Devices: []string{"GPU-"}}, two(t), "needs GPU GPU-, and here are GPU 0 (NVIDIA A), GPU 1 (NVIDIA B)"},
		{project.GPUs{Devices: []string{"2"}}, two(t)[:1], "needs GPU 2, and here is GPU 0 (NVIDIA A)"},
		{project.GPUs{Devices: []string{"0"}}, nil, "needs GPU 0, and here is none"},
		{project.GPUs{Count: 1, Memory: 40 * gib}, two(t), "needs 40 GiB of a GPU, and GPU 0 (NVIDIA A) has 24 GiB"},
		{project.GPUs{Devices: []string{"1"}, Memory: 40 * gib}, two(t), ""},
		{project.GPUs{Count: 1, Memory: 20 * gib}, two(t), ""},
		{project.GPUs{Count: 2}, sliced, ""},
		{project.GPUs{Devices: []string{"MIG-2"}, Memory: 40 * gib}, sliced, ""},
		{project.GPUs{Devices: []string{"MIG-1"}, Memory: 40 * gib}, sliced, "needs 40 GiB of a GPU, and MIG 1g.10gb of GPU 0 (H) has 10 GiB"},
		{project.GPUs{Devices: []string{"MIG-3"}}, sliced, "needs GPU MIG-3, and here are MIG 1g.10gb of GPU 0 (H), MIG 3g.40gb of GPU 0 (H)"},
	} {
		e := gpu.Lack(&c.need, c.cards)
		if got := fmt.Sprint(e); c.want == "" && e != nil || c.want != "" && got != c.want {
			t.Errorf("%+v: got %v, want %q", c.need, e, c.want)
		}
		if e != nil && e.Hint == "" {
			t.Errorf("%v has no cure", e)
		}
	}
}

func TestPick(t *testing.T) {
	cards := two(t)
	cards[1].Parts = []gpu.Part{{"1g.10gb", "MIG-1"}}
	for want, need := range map[string]*project.GPUs{
		"[]": nil, "[0 1]": {All: true}, "[0]": {Count: 1}, "[1]": {Devices: []string{"MIG-1", "GPU-zz"}},
	} {
		got := []int{}
		for _, c := range gpu.Pick(need, cards) {
			got = append(got, c.Index)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%+v: %v, want %s", need, got, want)
		}
	}
}

func TestVisible(t *testing.T) {
	cards := two(t)
	sliced := []gpu.Card{{UUID: "GPU-aa11", Parts: []gpu.Part{{"1g", "MIG-1"}, {"1g", "MIG-2"}}}}
	for _, c := range []struct {
		value string
		cards []gpu.Card
		want  string
	}{
		{"all", cards, ""}, {"", cards, ""}, {"void", cards, ""}, {",", cards, ""}, // CDI says void, and lends what it lends
		{"none", cards, "-1"},
		{"1", cards, "GPU-bb22"}, // the runtime has not kept to it
		{"1", cards[:1], ""},     // it has, and counts anew
		{"0,1", cards, ""},
		{"GPU-bb22", cards, "GPU-bb22"}, {"GPU-bb22", cards[1:], ""},
		{"7", cards, ""}, // nothing that is here
		{"MIG-2", sliced, "MIG-2"}, {"MIG-2, MIG-1", sliced, ""},
	} {
		if got := gpu.ParseVisible(c.value).Visible(c.cards); got != c.want {
			t.Errorf("%q of %d cards: %q, want %q", c.value, len(c.cards), got, c.want)
		}
	}
}

func TestDataCentre(t *testing.T) {
	for name, want := range map[string]bool{
		"NVIDIA H100 80GB HBM3": true, "NVIDIA A100-SXM4-80GB": true, "Tesla V100-SXM2-16GB": true, "Tesla T4": true, "NVIDIA L40S": true, "NVIDIA L4": true,
		"NVIDIA A10G": true, "NVIDIA H200": true, "NVIDIA B200": true, "NVIDIA GH200 480GB": true, "Tesla P100-PCIE-16GB": true,
		"NVIDIA GeForce RTX 4090": false, "NVIDIA RTX A6000": false, "NVIDIA RTX 6000 Ada Generation": false, "Quadro P4000": false, "NVIDIA TITAN RTX": false,
		"NVIDIA T1000": false, "NVIDIA T400 4GB": false, "NVIDIA GeForce MX450": false,
		"NVIDIA RTX PRO 6000 Blackwell Server Edition": true, "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": false, "NVIDIA GB10": false, "": false,
	} {
		if got := (gpu.Card{Name: name}).DataCentre(); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestBusy(t *testing.T) {
	card := gpu.Card{UUID: "GPU-a", Name: "A", Memory: 80 * gib, Used: 20 * gib}
	for _, c := range []struct {
		name   string
		before gpu.Before
		want   string
	}{
		{"as before", gpu.Before{"GPU-a": 20 * gib}, ""},
		{"less than before", gpu.Before{"GPU-a": 30 * gib}, ""},
		{"the driver's own", gpu.Before{"GPU-a": 20*gib - 60<<20}, ""},
		{"still held", gpu.Before{"GPU-a": 5 * gib}, "GPU 0 (A) has 20 GiB in use, 15 GiB more than before"},
		{"others have used it", gpu.Before{"GPU-b": 0}, ""},
	} {
		if got := gpu.Busy([]gpu.Card{card}, c.before); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	card.Used = -1
	if got := gpu.Busy([]gpu.Card{card}, gpu.Before{"GPU-a": 0}); got != "" {
		t.Errorf("what is not known: %q", got)
	}
}

// Apps are told apart by who their process is of, or not at all.
func TestShare(t *testing.T) {
	apps := []gpu.App{{1, "GPU-a", gib}, {2, "GPU-a", 2 * gib}, {2, "GPU-b", -1}, {3, "GPU-b", 4 * gib}, {9, "GPU-a", 8 * gib}, {8, "GPU-a", -1}}
	owner := func(pid int) (string, bool) {
		name := map[int]string{1: "api", 2: "api", 3: "train"}[pid]
		return name, name != ""
	}
	used, others := gpu.Share(apps, owner)
	if want := (map[string]map[string]int64{"api": {"GPU-a": 3 * gib, "GPU-b": 0}, "train": {"GPU-b": 4 * gib}}); !maps.EqualFunc(used, want, maps.Equal) {
		t.Errorf("by owner: %v, want %v", used, want)
	}
	if others.Programs != 2 || others.Used != 8*gib {
		t.Errorf("others: %+v", others)
	}
}

// The kernel's log is read to its end, and what is older is left out.
func TestXids(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kmsg")
	line := func(second, code int) string {
		return fmt.Sprintf("4,1,%d000000,-;NVRM: Xid (PCI:0000:1b:00): %d, text\n SUBSYSTEM=pci\n", second, code)
	}
	if err := os.WriteFile(file, []byte(line(10, 13)+"6,2,11000000,-;usb 1-1: new device\n"+line(20, 79)+line(21, 48)), 0o600); err != nil {
		t.Fatal(err)
	}
	xids, err := gpu.Xids(file, 15*time.Second)
	if err != nil || len(xids) != 2 || xids[0].Code != 79 || xids[1].Code != 48 {
		t.Errorf("got %v, %v", xids, err)
	}
	if _, err := gpu.Xids(file+".none", 0); err == nil {
		t.Error("a log that is not there was read")
	}
}

func TestXid(t *testing.T) {
	x, ok := gpu.ParseXid("4,1234,5678901,-;NVRM: Xid (PCI:0000:1B:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n SUBSYSTEM=pci\n")
	if want := (gpu.Xid{At: 5678901 * time.Microsecond, Bus: "0000:1b:00", Code: 79, Text: "pid='<unknown>', name=<unknown>, GPU has fallen off the bus."}); !ok || x != want {
		t.Errorf("got %+v, %t", x, ok)
	}
	if got := x.String(); got != "the driver reported Xid 79 of GPU 0000:1b:00: the GPU has fallen off the bus: restart the host" {
		t.Error(got)
	}
	if x, ok := gpu.ParseXid("4,1,2,-;NVRM: Xid (0000:01:00): 999, some text"); !ok || x.String() != "the driver reported Xid 999 of GPU 0000:01:00: some text" {
		t.Errorf("an unknown code: %v, %t", x, ok)
	}
	for _, record := range []string{"", "6,1,2,-;usb 1-1: new device", "6;NVRM: Xid (PCI:0000:01:00): 13", "6,1,x,-;NVRM: Xid (PCI:0000:01:00): 13", "6,1,2,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module"} {
		if x, ok := gpu.ParseXid(record); ok {
			t.Errorf("%q is %+v", record, x)
		}
	}
}

// What a driver says never makes us fall over, and what is read makes sense.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"0, GPU-1, 100, 1, 99, b, 5, Enabled, 9.0, N\n", "Field \"compute_cap\" is not a valid field to query.\n", "GPU 0: N (UUID: GPU-1)\n  MIG 1g.10gb Device 0: (UUID: MIG-1)\n",
		"12, GPU-1, 5\n", "No devices were found\n", "4,1,2,-;NVRM: Xid (PCI:0000:01:00): 79, x\n",
	} {
		f.Add(seed, 0)
		f.Add(seed, 2)
	}
	f.Fuzz(func(t *testing.T, out string, code int) {
		ask := func(context.Context, ...string) (string, int, error) { return out, code, nil }
		cards, err := gpu.Cards(t.Context(), ask)
		if (err == nil) != (len(cards) > 0) {
			t.Errorf("%d cards and %v", len(cards), err)
		}
		for _, c := range cards {
			if c.UUID == "" || c.Memory < -1 || c.Used < -1 {
				t.Errorf("card %+v", c)
			}
		}
		_, _ = gpu.Apps(t.Context(), ask)
		_ = gpu.Lack(&project.GPUs{Count: 1, Memory: gib}, cards)
		if x, ok := gpu.ParseXid(out); ok && x.At < 0 {
			t.Errorf("xid %+v", x)
		}
	})
}
