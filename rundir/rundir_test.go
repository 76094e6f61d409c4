package rundir_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/rundir"
)

func TestLocate(t *testing.T) {
	root := t.TempDir() // the root of the machine
	def := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(def, 0o755); err != nil {
		t.Fatal(err)
	}
	key := rundir.Key("web", def)
	me := os.Geteuid()
	at := func(path string) string { return filepath.Join(root, path) }
	for name, c := range map[string]struct {
		env           rundir.Env
		socket, state string
	}{
		"root":         {rundir.Env{}, at("run/nix2gpu/" + key + ".sock"), def + "/.nix2gpu/web"},
		"user":         {rundir.Env{UID: 1000, RuntimeDir: "/run/user/1000"}, "/run/user/1000/nix2gpu/" + key + ".sock", def + "/.nix2gpu/web"},
		"no XDG":       {rundir.Env{UID: 1000}, at("tmp/nix2gpu-1000/" + key + ".sock"), def + "/.nix2gpu/web"},
		"relative XDG": {rundir.Env{UID: 1000, RuntimeDir: "run"}, at("tmp/nix2gpu-1000/" + key + ".sock"), def + "/.nix2gpu/web"},
		"long XDG": {rundir.Env{UID: 1000, RuntimeDir: "/" + strings.Repeat("x", 90)},
			at("tmp/nix2gpu-1000/" + key + ".sock"), def + "/.nix2gpu/web"},
		"container":         {rundir.Env{InContainer: true}, at("run/nix2gpu/control.sock"), at("var/lib/nix2gpu")},
		"user in container": {rundir.Env{InContainer: true, UID: me + 1}, at("tmp/nix2gpu-" + itoa(me+1) + "/control.sock"), at("var/lib/nix2gpu")},
		"named":             {rundir.Env{Socket: "/srv/x.sock", State: "/srv/state"}, "/srv/x.sock", "/srv/state"},
	} {
		t.Run(name, func(t *testing.T) {
			c.env.Root = root
			l := rundir.Locate(c.env, "web", def)
			if l.Socket != c.socket || l.State != c.state {
				t.Errorf("got  %s %s\nwant %s %s", l.Socket, l.State, c.socket, c.state)
			}
		})
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func TestStateOfAFolderThatIsNotOurs(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; /proc is what it may not")
	}
	l := rundir.Locate(rundir.Env{UID: os.Geteuid(), StateHome: "/srv/state"}, "web", "/usr")
	if want := "/srv/state/nix2gpu/" + l.Key; l.State != want {
		t.Errorf("got %s, want %s", l.State, want)
	}
}

func TestKeysAreShortAndTheirOwn(t *testing.T) {
	seen := make(map[string]string)
	for _, c := range [][2]string{
		{"web", "/a"}, {"web", "/b"}, {"api", "/a"}, {"", "/a"}, {"x/../../y", "/a"}, {"...", "/a"}, {"-rf", "/a"},
		{strings.Repeat("n", 254), "/a"}, {strings.Repeat("n", 253), "/a"}, {"naïve", "/a"},
	} {
		key := rundir.Key(c[0], c[1])
		if len(key) > 33 || strings.ContainsAny(key, "/\x00 ") || strings.HasPrefix(key, ".") || strings.HasPrefix(key, "-") {
			t.Errorf("Key(%q, %q) = %q", c[0], c[1], key)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%v and %s have the key %q", c, other, key)
		}
		seen[key] = c[0] + " in " + c[1]
	}
	if rundir.Key("", "/srv/shop") != rundir.Key("shop", "/srv/shop") {
		t.Error("a container without a name should have its folder's")
	}
}

// layout returns the layout of a project on a temporary machine.
func layout(t *testing.T) (rundir.Env, rundir.Layout) {
	root, err := os.MkdirTemp("/tmp", "n") // short: sockets are made below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	env := rundir.Env{Root: root, UID: os.Geteuid()}
	def := filepath.Join(root, "shop")
	if err := os.Mkdir(def, 0o755); err != nil {
		t.Fatal(err)
	}
	return env, rundir.Locate(env, "", def)
}

func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		out = append(out, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNothingIsLeftAfterACleanStop(t *testing.T) {
	env, l := layout(t)
	lock, err := l.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Prepare(); err != nil {
		t.Fatal(err)
	}
	for dir, mode := range map[string]os.FileMode{filepath.Dir(l.Socket): 0o700, l.Logs: 0o700, l.State: 0o755} {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: got %v %v, want %o", dir, st.Mode(), err, mode)
		}
	}
	listener, err := net.Listen("unix", l.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := rundir.Find(env); got[l.Key] != l.Socket {
		t.Errorf("Find = %v, want %s", got, l.Socket)
	}
	if got := rundir.All(env); len(got) != 1 || got[0].PID != os.Getpid() || got[0].Socket != l.Socket || !strings.HasPrefix(got[0].Owner, `"`) {
		t.Errorf("All = %+v, want our lock", got)
	}
	os.WriteFile(l.Run+"/db.pid", []byte("1\n"), 0o644)

	listener.Close()
	if err := l.Clear(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if got := rundir.All(env); len(got) != 0 {
		t.Errorf("All after the end = %+v", got)
	}
	for _, path := range files(t, env.Root) {
		for _, gone := range []string{"sock", "lock", "pid", "services", l.Key} {
			if strings.Contains(path, gone) {
				t.Errorf("%s is left", path)
			}
		}
	}
}

func TestOneSupervisorAtATime(t *testing.T) {
	_, l := layout(t)
	first, err := l.Lock()
	if err != nil {
		t.Fatal(err)
	}
	var locked *rundir.LockedError
	if _, err := l.Lock(); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second Lock = %v, want a LockedError with our pid", err)
	}
	if got := l.Holder(); got != os.Getpid() {
		t.Errorf("Holder = %d, want %d", got, os.Getpid())
	}
	first.Release()
	if got := l.Holder(); got != 0 {
		t.Errorf("Holder after Release = %d, want 0", got)
	}
	if err := os.WriteFile(l.LockFile, []byte("999999\n"), 0o600); err != nil { // of a dead process
		t.Fatal(err)
	}
	again, err := l.Lock()
	if err != nil {
		t.Fatalf("a lock file without a holder keeps us out: %v", err)
	}
	again.Release()
}

// Many take and release the lock at the same time, and each release removes its file.
func TestLockIsNeverHeldTwice(t *testing.T) {
	_, l := layout(t)
	var holders sync.Mutex
	var wg sync.WaitGroup
	taken := 0
	for range 8 {
		wg.Go(func() {
			for range 200 {
				lock, err := l.Lock()
				if err != nil {
					continue
				}
				if !holders.TryLock() {
					t.Error("two hold the lock")
				} else {
					taken++
					holders.Unlock()
				}
				lock.Release()
			}
		})
	}
	wg.Wait()
	if taken == 0 {
		t.Error("nobody ever got the lock")
	}
}

func TestFoldersThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, l *rundir.Layout)
		want  string
	}{
		"socket folder is a link": {func(t *testing.T, l *rundir.Layout) {
			dir := filepath.Dir(l.Socket)
			os.MkdirAll(filepath.Dir(dir), 0o755)
			os.Symlink(t.TempDir(), dir)
		}, "not a folder"},
		"socket folder is another's": {func(t *testing.T, l *rundir.Layout) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			dir := filepath.Dir(l.Socket)
			os.MkdirAll(dir, 0o700)
			os.Chown(dir, 65534, 65534)
		}, "belongs to user 65534"},
		"socket is a file": {func(t *testing.T, l *rundir.Layout) {
			os.MkdirAll(filepath.Dir(l.Socket), 0o700)
			os.WriteFile(l.Socket, nil, 0o600)
		}, "something else has that name"},
		"state is a file": {func(t *testing.T, l *rundir.Layout) {
			os.MkdirAll(filepath.Dir(l.State), 0o755)
			os.WriteFile(l.State, nil, 0o600)
		}, "not a folder"},
		"state is read-only": {func(t *testing.T, l *rundir.Layout) {
			l.State = "/proc/nix2gpu"
		}, "cannot use the state folder /proc/nix2gpu"},
		"long path": {func(t *testing.T, l *rundir.Layout) {
			l.Socket = "/" + strings.Repeat("x", 120)
		}, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, l := layout(t)
			c.spoil(t, &l)
			err := l.Prepare()
			var folder *rundir.FolderError
			if !errors.As(err, &folder) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want … %s", err, c.want)
			}
			if folder != nil && folder.Hint == "" {
				t.Error("the error does not say what to do")
			}
		})
	}
}

func TestAnOpenFolderOfOursIsClosed(t *testing.T) {
	_, l := layout(t)
	dir := filepath.Dir(l.Socket)
	os.MkdirAll(dir, 0o777)
	os.Chmod(dir, 0o777)
	if err := l.Prepare(); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if unix.Stat(dir, &st); st.Mode&0o777 != 0o700 {
		t.Errorf("mode %o, want 700", st.Mode&0o777)
	}
}

func TestRunFolderIsEmptiedByWhoHasTheLock(t *testing.T) {
	_, l := layout(t)
	if err := l.Prepare(); err != nil {
		t.Fatal(err)
	}
	stale := l.Run + "/stale.pid"
	os.WriteFile(stale, nil, 0o644)
	lock, err := l.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if got := files(t, l.Run); len(got) != 1 {
		t.Errorf("left in the run folder: %v", got)
	}
	os.WriteFile(stale, nil, 0o644) // now the file of a living service
	if err := l.Prepare(); err != nil {
		t.Fatal(err)
	}
	l.Lock()
	if _, err := os.Stat(stale); err != nil {
		t.Error("a second supervisor removed the first one's files")
	}
}

// Projects share the folder of the sockets, and the last one that ends removes it: that
// must not disturb one that begins.
func TestOneBeginsWhileAnotherEnds(t *testing.T) {
	env, _ := layout(t)
	failed := make(chan error, 2)
	for _, name := range []string{"one", "two"} {
		def := filepath.Join(env.Root, name)
		if err := os.Mkdir(def, 0o755); err != nil {
			t.Fatal(err)
		}
		l := rundir.Locate(env, name, def)
		go func() {
			var err error
			for range 300 {
				if err = errors.Join(l.Prepare(), l.Clear()); err != nil {
					break
				}
			}
			failed <- err
		}()
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
