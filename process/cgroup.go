package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups makes control groups for processes with limits. Others get none, because to
// make one takes longer than to start a process.
type cgroups struct {
	v2  string            // the folder of our own group in the unified hierarchy; "": there is none
	v1  map[string]string // the folders of our own group, by controller
	run string

	// memory is the file with the count of kills for lack of memory in our own group, else
	// on the machine. nested says that it includes the kills in groups below.
	memory string
	nested bool
}

// newCgroups finds our own groups. It makes none.
func newCgroups(run string) *cgroups {
	c := &cgroups{v1: make(map[string]string), run: cookieName(strings.ReplaceAll(run, "/", "_"))}
	defer func() { c.memory, c.nested = c.ownMemory() }()
	data, err := readProc("/proc/self/cgroup")
	if err != nil {
		return c
	}
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if f[0] == "0" && f[1] == "" {
			root := "/sys/fs/cgroup"
			if !isCgroup2(root) {
				root = "/sys/fs/cgroup/unified"
			}
			if isCgroup2(root) {
				// An earlier run from this shell may have moved the shell there.
				c.v2 = strings.TrimSuffix(existing(root, f[2]), "/"+leafName)
			}
			continue
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			if dir := existing("/sys/fs/cgroup/"+controller, f[2]); dir != "" {
				c.v1[controller] = dir
			}
		}
	}
	return c
}

func isCgroup2(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// existing returns the folder of our group below a mount. In a container without a
// cgroup namespace, path is the host's, and the mount itself is our group.
func existing(mount, path string) string {
	for _, dir := range []string{filepath.Join(mount, path), mount} {
		if _, err := os.Stat(dir + "/cgroup.procs"); err == nil {
			return dir
		}
	}
	return ""
}

// A cgroup has one process and its descendants in it. The methods of nil do nothing.
type cgroup struct {
	dirs []string // one in v2, one for each controller in v1
	v2   bool
	fd   int    // of dirs[0], in v2
	mem  string // the file that counts out-of-memory kills
	told int64  // how many of these have been reported; under host.mu
	mute bool   // mem has to be polled, since it can't be watched; under host.mu
}

// controllers returns the names of those that enforce the limits.
func (l *Limits) controllers() (names []string) {
	for _, c := range []struct {
		name  string
		limit bool
	}{{"memory", l.Memory > 0}, {"cpu", l.CPUs > 0}, {"pids", l.Pids > 0}, {"io", l.IO.Weight > 0 || len(l.IO.Max) > 0}} {
		if c.limit {
			names = append(names, c.name)
		}
	}
	return names
}

// make makes a group with the limits. unbound says which limit can't be enforced. Without
// limits, and where there can be no group, g is nil.
func (c *cgroups) make(cookie string, l Limits) (g *cgroup, unbound *Unlimited) {
	want := l.controllers()
	if len(want) == 0 {
		return nil, nil
	}
	name := "nix2gpu-" + strings.ReplaceAll(cookieName(cookie), "/", "_")
	if c.v2 != "" {
		if have := c.offered(want); len(have) > 0 {
			return c.makeV2(name, l, want, have)
		}
	}
	return c.makeV1(name, l)
}

// offered returns those of the wanted controllers that the unified hierarchy offers us.
func (c *cgroups) offered(want []string) []string {
	data, _ := readProc(c.v2 + "/cgroup.controllers")
	all := strings.Fields(string(data))
	return slices.DeleteFunc(slices.Clone(want), func(name string) bool { return !slices.Contains(all, name) })
}

// makeV2 first has to delegate controllers: a group that does so must have no processes
// itself, unless it is the root.
func (c *cgroups) makeV2(name string, l Limits, want, have []string) (*cgroup, *Unlimited) {
	none := func(format string, args ...any) (*cgroup, *Unlimited) {
		var limits []string
		for _, controller := range want {
			limits = append(limits, limitOf(controller))
		}
		return nil, &Unlimited{Limits: limits, Why: fmt.Sprintf(format, args...), all: true}
	}
	if err := c.delegate(); errors.Is(err, fs.ErrPermission) {
		return none("our control group is not ours to change (%v); run nix2gpu as root, or by \"systemd-run --user --scope -p Delegate=yes\"", err)
	} else if err != nil {
		return none("our control group cannot be changed: %v", err)
	}
	dir := filepath.Join(c.v2, name)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return none("%v", err)
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		os.Remove(dir)
		return none("%v", err)
	}
	g := &cgroup{dirs: []string{dir}, v2: true, fd: fd}
	var un unkept
	for _, controller := range want {
		if !slices.Contains(have, controller) {
			un.lacks(controller)
			continue
		}
		switch controller {
		case "memory":
			g.mem = dir + "/memory.events"
			un.add("memory", put(dir, "memory.max", l.Memory))
			put(dir, "memory.swap.max", 0) // absent without swap
		case "cpu":
			un.add("cpu", put(dir, "cpu.max", fmt.Sprintf("%d 100000", max(1000, int64(l.CPUs*100000)))))
		case "pids":
			un.add("pids", put(dir, "pids.max", l.Pids))
		case "io":
			un.io(&l.IO, dir, ioV2())
		}
	}
	return g, un.unlimited()
}

// delegate enables all controllers that we use for the groups below ours. Memory and io
// go together: only then the kernel knows for which group it writes a page back later.
func (c *cgroups) delegate() error {
	names := c.offered([]string{"cpu", "io", "memory", "pids"})
	down := func() error { return put(c.v2, "cgroup.subtree_control", "+"+strings.Join(names, " +")) }
	// For a group with processes, the kernel refuses memory and io. It would accept the
	// others alone, which make a threaded group that can have no domains below it.
	if slices.Contains(names, "memory") || slices.Contains(names, "io") {
		if err := down(); err == nil || errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	leaf := filepath.Join(c.v2, leafName)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := moveAll(c.v2, leaf); err != nil {
		return err
	}
	return down()
}

// leafName is the group that takes the processes of our own group.
const leafName = "nix2gpu-supervisor"

// moveAll moves all processes of a group into another one: not only us, but also others in
// our group, such as the shell that has started us.
func moveAll(from, to string) error {
	data, err := readProc(from + "/cgroup.procs")
	if err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(data)) {
		put(to, "cgroup.procs", pid) // one may have ended meanwhile
	}
	return nil
}

func (c *cgroups) makeV1(name string, l Limits) (*cgroup, *Unlimited) {
	g := &cgroup{fd: -1}
	var un unkept
	for _, controller := range l.controllers() {
		own := c.v1[controller]
		if controller == "io" {
			own = c.v1["blkio"]
		}
		if own == "" {
			un.lacks(controller)
			continue
		}
		dir := filepath.Join(own, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			un.add(controller, err)
			continue
		}
		g.dirs = append(g.dirs, dir)
		switch controller {
		case "memory":
			g.mem = dir + "/memory.oom_control"
			un.add("memory", put(dir, "memory.limit_in_bytes", l.Memory))
		case "cpu":
			un.add("cpu", put(dir, "cpu.cfs_period_us", 100000))
			un.add("cpu", put(dir, "cpu.cfs_quota_us", max(1000, int64(l.CPUs*100000))))
		case "pids":
			un.add("pids", put(dir, "pids.max", l.Pids))
		case "io":
			un.io(&l.IO, dir, ioV1())
		}
	}
	if len(g.dirs) == 0 {
		return nil, un.unlimited()
	}
	return g, un.unlimited()
}

// An Unlimited says which limits of a process are not enforced, and why.
type Unlimited struct {
	Limits []string // as the definition names them: "memory", "cpus", "pids", "io"
	Why    string
	all    bool // it is for one reason
}

func (u *Unlimited) Error() string {
	if u.all {
		return fmt.Errorf("limits are not enforced: %s", u.Why).Error()
	}
	return fmt.Errorf("a limit is not enforced: %s", u.Why).Error()
}

// An unkept collects the reasons why limits are not enforced.
type unkept struct{ limits, why []string }

func (u *unkept) add(controller string, err error) {
	if err == nil {
		return
	}
	u.why = append(u.why, err.Error())
	if name := limitOf(controller); !slices.Contains(u.limits, name) {
		u.limits = append(u.limits, name)
	}
}

func (u *unkept) lacks(controller string) {
	u.add(controller, fmt.Errorf("there is no %s cgroup here", controller))
}

// unlimited returns nil if there is no reason.
func (u *unkept) unlimited() *Unlimited {
	if len(u.why) == 0 {
		return nil
	}
	return &Unlimited{Limits: u.limits, Why: strings.Join(u.why, "; ")}
}

// limitOf returns the limit that a controller enforces, as the definition names it.
func limitOf(controller string) string {
	if controller == "cpu" {
		return "cpus"
	}
	return controller
}

func put(dir, file string, value any) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(value)), 0)
}

// join makes the child of req start inside the group. With v1, the forking thread moves
// there for the fork, since children inherit its groups.
func (g *cgroup) join(req *forkRequest) {
	if g == nil {
		return
	}
	if g.v2 {
		req.attr.Sys.UseCgroupFD, req.attr.Sys.CgroupFD = true, g.fd
		return
	}
	move := func(dirOf func(string) string) error {
		for _, dir := range g.dirs {
			if err := put(dirOf(dir), "tasks", unix.Gettid()); err != nil {
				return err
			}
		}
		return nil
	}
	req.leave = func() { move(filepath.Dir) }
	req.enter = func() error {
		err := move(func(dir string) string { return dir })
		if err != nil {
			req.leave()
		}
		return err
	}
}

// pids returns the processes in the group.
func (g *cgroup) pids() (out []int) {
	if g == nil {
		return nil
	}
	data, _ := readProc(g.dirs[0] + "/cgroup.procs")
	for _, f := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(f); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// empty reports whether the group has no living process.
func (g *cgroup) empty() bool { return len(g.pids()) == 0 }

// kill kills all that is in the group at once, if the kernel can.
func (g *cgroup) kill() {
	if g != nil && g.v2 {
		put(g.dirs[0], "cgroup.kill", 1)
	}
}

// remove removes the group, which must be empty.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	if g.fd >= 0 {
		unix.Close(g.fd)
		g.fd = -1
	}
	for _, dir := range g.dirs {
		os.Remove(dir)
	}
}

// close undoes what delegate has done, unless another Host still needs it.
func (c *cgroups) close() {
	leaf := filepath.Join(c.v2, leafName)
	if _, err := os.Stat(leaf); c.v2 == "" || err != nil {
		return
	}
	groups, err := filepath.Glob(c.v2 + "/nix2gpu-*")
	if err != nil || len(groups) > 1 {
		return
	}
	if down, err := readProc(c.v2 + "/cgroup.subtree_control"); err == nil {
		for _, controller := range strings.Fields(string(down)) {
			put(c.v2, "cgroup.subtree_control", "-"+controller)
		}
	}
	moveAll(leaf, c.v2)
	os.Remove(leaf)
}
