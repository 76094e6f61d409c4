package process_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nix2gpu/process"
)

// All that a process has started counts for it, wherever it went.
func TestUsage(t *testing.T) {
	h := newHost(t, process.Options{Run: "usage"})
	if all := h.Usage(); len(all) != 0 {
		t.Errorf("nothing runs, and uses %+v", all)
	}
	file := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := shell("exec 9<" + file + "; sleep 1000 & setsid sleep 1000 & i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000; :")
	spec.Name = "api"
	p := start(t, h, spec)
	other := shell("exec sleep 1000")
	other.Name = "web"
	q := start(t, h, other)
	var api, web process.Usage
	eventually(t, "both use something", func() bool {
		all := h.Usage()
		slices.SortFunc(all, func(a, b process.Usage) int { return len(b.PIDs) - len(a.PIDs) })
		if len(all) != 2 {
			return false
		}
		api, web = all[0], all[1]
		return len(api.PIDs) == 4 && api.CPU > 0
	})
	if api.Name != "api" || web.Name != "web" || !slices.Contains(api.PIDs, p.PID()) || !slices.Equal(web.PIDs, []int{q.PID()}) || api.Memory <= 0 {
		t.Errorf("they use %+v and %+v", api, web)
	}
	// Each of the four has a thread, and the shell has the file open besides its three streams.
	if api.Threads != 4 || web.Threads != 1 || api.Files < 4+3*3 || web.Files < 3 || web.Files >= api.Files {
		t.Errorf("threads and files are %d and %d, %d and %d", api.Threads, api.Files, web.Threads, web.Files)
	}
	if !process.HasOpen(p.PID(), file) || process.HasOpen(q.PID(), file) || process.HasOpen(1<<22+1, "/") {
		t.Errorf("open is %t and %t, want true and false", process.HasOpen(p.PID(), file), process.HasOpen(q.PID(), file))
	}
	p.Kill()
	await(t, "the end", p.Done())
	if all := h.Usage(); len(all) != 1 {
		t.Errorf("after its end: %+v", all)
	}
}
