package rundir

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"nix2gpu/safefile"
)

// Find returns the control sockets of this user's projects, by [Layout.Key]. Some may be
// of supervisors that have died.
func Find(e Env) map[string]string {
	found := make(map[string]string)
	base := e.base()
	entries, _ := os.ReadDir(base)
	for _, entry := range entries {
		if key, ok := strings.CutSuffix(entry.Name(), ".sock"); ok && entry.Type()&fs.ModeSocket != 0 {
			found[key] = filepath.Join(base, entry.Name())
		}
	}
	return found
}

// A Found is a project that runs on this machine.
type Found struct {
	Key    string
	Owner  string // which project it is, according to its lock: `"web" in /srv/shop`
	PID    int
	Socket string // its control socket, unless it was given another path
}

// All returns the projects of this user, or for root of all users, that run on this
// machine, sorted by Owner. What another user's lock says need not be true.
func All(e Env) []Found {
	bases := []string{e.base()}
	if e.UID == 0 && !e.InContainer {
		for _, pattern := range []string{"run/user/*/nix2gpu", "tmp/nix2gpu-*"} {
			dirs, _ := filepath.Glob(filepath.Join("/", e.Root, pattern))
			bases = append(bases, dirs...)
		}
	}
	var all []Found
	for _, base := range bases {
		entries, _ := os.ReadDir(base)
		for _, entry := range entries {
			key, ok := strings.CutSuffix(entry.Name(), ".lock")
			if !ok || strings.HasSuffix(key, ".sock") {
				continue
			}
			path := filepath.Join(base, entry.Name())
			pid := holder(path)
			if pid == 0 {
				continue
			}
			one := Found{Key: key, PID: pid, Socket: filepath.Join(base, key+".sock")}
			if e.InContainer {
				one.Socket = filepath.Join(base, "control.sock")
			}
			if f, err := safefile.Peek(path); err == nil {
				_, one.Owner = readLock(f)
				f.Close()
			}
			all = append(all, one)
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Key, b.Key)) < 0
	})
	return all
}
