package rundir

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/safefile"
)

// Find lists the control sockets of this user's projects, by key. One may be
// a dead supervisor's.
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

// A Found is a project that a supervisor of this machine has.
type Found struct {
	Key    string
	Owner  string // whose it is, as its lock says: `"web" in /srv/shop`
	PID    int
	Socket string // where its control socket is, unless it was told another place
}

// All lists the projects that run on this machine, by owner: those of this user,
// for root everybody's. What another user says in a lock is his word only.
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
	slices.SortFunc(all, func(a, b Found) int { return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Key, b.Key)) })
	return all
}
