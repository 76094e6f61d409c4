package stage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// TestQuoteAt wants every byte to reach the shell's words as it is, and plain
// ones to stay as they are.
func TestQuoteAt(t *testing.T) {
	const plain = "azAZ09_@%+=:,./-"
	if got := quoteAt("cat ", plain); got != plain {
		t.Errorf("plain text became %q", got)
	}
	for _, place := range []string{"a b", "`{[", "'", `"`, `\`, "$x", "`x`", "é", "a;b", "^", "~", "!", "a\tb"} {
		for before, after := range map[string]string{"": "", `"`: `"`, "'": "'", `"\""`: "", `"a\"`: `"`, `'\'`: "", `\'`: ""} {
			line := "printf %s " + before + quoteAt("printf %s "+before, place) + after
			out, err := exec.Command("sh", "-c", line).Output()
			if err != nil || !strings.HasSuffix(string(out), place) {
				t.Errorf("%s printed %q, %v, want %q", line, out, err, place)
			}
		}
	}
}

func TestVariablesThatCannotBePassed(t *testing.T) {
	s := newStage(t)
	for name, value := range map[string]string{"": "x", "A=B": "x", "A\x00": "x", "A": "x\x00y"} {
		proc := exe("true")
		proc.Env = map[string]project.Value{name: {Text: project.Lit(value)}}
		if _, err := s.Prepare(&project.Project{}, &proc); !isKind(err, BadText) || !strings.Contains(err.Error(), "cannot be passed to a process") {
			t.Errorf("%q=%q: %v", name, value, err)
		}
	}
}

// TestLowPorts keeps the one right that a web server needs of root, and only
// where it needs it.
func TestLowPorts(t *testing.T) {
	if !mayPassOn(unix.CAP_NET_BIND_SERVICE) {
		t.Skip("we may not listen on low ports ourselves")
	}
	other := &account{uid: 1, other: true}
	for port, want := range map[int]bool{-1: false, 0: false, 1: true, 80: true, 1023: true, 1024: false, 8080: false} {
		p := &project.Project{Services: map[project.ID]*project.Service{"s": {Ports: []project.Port{{Port: port}}}}}
		proc := &project.Process{Service: "s", Role: project.Main}
		if got := slices.Contains(capsOf(p, proc, other), "net_bind_service"); got != want {
			t.Errorf("port %d: %t, want %t", port, got, want)
		}
		for name, none := range map[string]func() []string{
			"a one-shot":       func() []string { return capsOf(p, &project.Process{Service: "s", Role: project.Init}, other) },
			"root":             func() []string { return capsOf(p, proc, &account{}) },
			"no service of it": func() []string { return capsOf(p, &project.Process{Service: "x", Role: project.Main}, other) },
		} {
			if got := none(); got != nil {
				t.Errorf("%s, port %d: %q", name, port, got)
			}
		}
	}
}

// TestIsRight decides whether a file that is there need not be written again.
func TestIsRight(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	me := &account{uid: uint32(os.Geteuid())}
	put := func(mode os.FileMode) {
		os.Remove(path)
		if err := os.WriteFile(path, []byte("content"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	put(0o644)
	if !isRight(path, "content", 0o644, me, true) {
		t.Error("the same content, mode and owner need not be written")
	}
	if isRight(path, "CONTENT", 0o644, me, true) || isRight(path, "content+", 0o644, me, true) || isRight(path, "content", 0o600, me, true) {
		t.Error("another content or mode is taken for right")
	}
	other := &account{uid: me.uid + 1}
	if isRight(path, "content", 0o644, other, true) || !isRight(path, "content", 0o644, other, false) {
		t.Error("another owner counts for root, and for nobody else")
	}
	put(0o644)
	link := filepath.Join(dir, "link")
	os.Symlink("f", link)
	if isRight(link, "content", 0o777, me, true) || isRight(filepath.Join(dir, "none"), "", 0, me, true) || isRight(dir, "", 0o755, me, true) {
		t.Error("a link, nothing or a folder is taken for right")
	}
}

func TestAccountMay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	for mode, want := range map[os.FileMode]string{0o400: "owner", 0o040: "group member", 0o004: "stranger", 0o744: "member owner group stranger"} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, _ := os.Stat(path)
		for name, a := range map[string]*account{
			"owner":    {uid: st.Uid, gid: st.Gid + 1, other: true},
			"group":    {uid: st.Uid + 1, gid: st.Gid, other: true},
			"member":   {uid: st.Uid + 1, gid: st.Gid + 1, groups: []uint32{7, st.Gid}, other: true},
			"stranger": {uid: st.Uid + 1, gid: st.Gid + 1, groups: []uint32{st.Gid + 2}, other: true},
		} {
			if a.uid == 0 {
				continue // root may all
			}
			may := strings.Contains(want, name)
			if st.Uid == 0 && name == "owner" {
				may = true
			}
			if got := a.may(info, 4); got != may {
				t.Errorf("%v: may %s read? %t, want %t", mode, name, got, may)
			}
		}
	}
}

// TestOpenProjectsNeedNoRight: a server's user passes through closed folders
// only where there are some.
func TestOpenProjectsNeedNoRight(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	s.at.Self = "nix2gpu" // not a path that anyone could be kept from
	openWay(s.at.Root)
	p := &project.Project{Services: map[project.ID]*project.Service{"redis.r": {Type: "redis"}}}
	proc := exe("true")
	proc.User, proc.Service, proc.Role = "nobody", "redis.r", project.Main
	l, err := s.Prepare(p, &proc)
	if err != nil || !l.SetUser || l.Caps != nil {
		t.Errorf("got %+v, %v, want another user without capabilities", l, err)
	}
}

func TestUsersByNumber(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	for number, want := range map[string]account{
		"65534":      {name: "nobody", uid: 65534, other: true},
		"0":          {name: "root", home: "/root"},
		"987654":     {name: "987654", home: "/", uid: 987654, gid: 987654, other: true},
		"4294967295": {name: "4294967295", home: "/", uid: 4294967295, gid: 4294967295, other: true},
	} {
		got, err := s.user(&project.Project{}, number)
		if err != nil || got.name != want.name || got.uid != want.uid || got.other != want.other || want.home != "" && (got.home != want.home || got.gid != want.gid) {
			t.Errorf("user %s is %+v, %v, want %+v", number, got, err, want)
		}
	}
	if _, err := s.user(&project.Project{}, "4294967296"); !isKind(err, BadUser) {
		t.Errorf("a number that is too large: %v", err)
	}
}

// TestElevated: what needs root's rights is not started without them, for whatever purpose.
func TestElevated(t *testing.T) {
	s := newStage(t)
	proc := exe("true")
	proc.Elevated = true
	proc.Dirs = []project.Dir{{Path: project.RootPath("/made")}}
	for _, root := range []bool{false, true} {
		s.root = root
		_, err1 := s.PrepareExec(&project.Project{}, &proc, proc.Command, nil)
		_, err2 := s.Surroundings(&project.Project{}, &proc, nil)
		_, err3 := s.Prepare(&project.Project{}, &proc)
		_, made := os.Stat(filepath.Join(s.at.Root, "made"))
		for _, err := range []error{err1, err2, err3, made} {
			if (err == nil) != root {
				t.Errorf("as root %v: %v", root, err)
			}
		}
		if !root && (!isKind(err1, NotRoot) || !isKind(err2, NotRoot) || !isKind(err3, NotRoot) || !NotRoot.Lasts()) {
			t.Errorf("%v, %v, %v", err1, err2, err3)
		}
	}
}

// TestWhoPassesMayOnlyPass: the right to search opens folders, for looking.
func TestWhoPassesMayOnlyPass(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a := &account{uid: 987654, gid: 987654, other: true, passes: true}
	for _, c := range []struct {
		path string
		want os.FileMode
		may  bool
	}{{dir, 1, true}, {dir, 5, true}, {dir, 2, false}, {dir, 7, false}, {file, 4, false}} {
		info, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.may(info, c.want); got != c.may {
			t.Errorf("%s, rights %o: %t, want %t", c.path, c.want, got, c.may)
		}
	}
	a.passes = false
	if info, _ := os.Stat(dir); a.may(info, 1) {
		t.Error("without the right the folder is closed")
	}
}

// TestPackagePaths looks for a program only where a path names one.
func TestPackagePaths(t *testing.T) {
	s := newStage(t)
	for sub, ok := range map[string]bool{
		"": true, "/bin": true, "/bin/": true, "/bin/bash": true, "/bin/none": false, "/lib/none": true, "/bin/no*": true, "/bin/$x": true, "/bin/a/b": true,
	} {
		path, err := s.packagePath(&project.PackagePart{Attr: "bash", Sub: sub})
		if (err == nil) != ok || ok && !strings.HasSuffix(path, sub) {
			t.Errorf("bash%s: %q, %v", sub, path, err)
		}
	}
}

// TestFullDiskKeepsTheOldFile: no reader ever sees a half.
func TestFullDiskKeepsTheOldFile(t *testing.T) {
	s := newStage(t)
	testkit.WithDisk(t, 64<<10, func(d testkit.Disk) error {
		path := filepath.Join(d.Dir, "conf")
		if err := s.put(path, "old", "", nil); err != nil {
			return err
		}
		err := s.put(path, strings.Repeat("x", 100<<10), "", nil)
		if !isKind(err, BadFile) || !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("on a full disk: %v", err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "old" {
			return fmt.Errorf("the file holds %d bytes, %v, want what it held", len(text), err)
		}
		if names, err := filepath.Glob(d.Dir + "/.new*"); err != nil || len(names) > 0 {
			return fmt.Errorf("left: %v, %v", names, err)
		}
		return nil
	})
}

// TestLink wants a link to lead where it should, whatever was there.
func TestLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a/link")
	for _, target := range []string{"/one", "/one", "/two"} {
		if err := link(path, target); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != target {
			t.Errorf("it leads to %q, %v, want %q", got, err, target)
		}
	}
	os.Remove(path)
	os.WriteFile(path, nil, 0o600)
	if err := link(path, "/three"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.Readlink(path); got != "/three" {
		t.Errorf("in the place of a file it leads to %q", got)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
	if err := link(filepath.Join(path, "x"), "/y"); err == nil {
		t.Error("below a link to nothing a link was made")
	}
}

// TestClosedFolder names the first folder that keeps somebody out.
func TestClosedFolder(t *testing.T) {
	top := t.TempDir()
	openWay(top)
	shut := filepath.Join(top, "open/shut")
	if err := os.MkdirAll(filepath.Join(shut, "too"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{shut, shut + "/too"} {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	other := &account{uid: 987654, gid: 987654, other: true}
	for path, want := range map[string]string{
		shut + "/too/f": shut, shut + "/f": shut, shut: "", top + "/open/f": "", "/none/at/all": "", "relative/x": "",
	} {
		if got := other.closed(path); got != want {
			t.Errorf("on the way to %s closed is %q, want %q", path, got, want)
		}
	}
	for name, a := range map[string]*account{"root": {other: true}, "ourselves": {uid: 987654}, "who may pass": {uid: 987654, other: true, passes: true}} {
		if got := a.closed(shut + "/f"); got != "" {
			t.Errorf("%s: closed is %q", name, got)
		}
	}
}

// TestFilesInACircle ends, and a chain of files does not count as one.
func TestFilesInACircle(t *testing.T) {
	s := newStage(t)
	me := "me"
	p := &project.Project{
		Files: map[string]*project.File{
			"self": {Content: project.FilePath("self")},
			"a":    {Content: project.FilePath("b")},
			"b":    {Content: text(t, "x ", project.FilePath("a"))},
		},
		Secrets: map[string]project.Secret{"me": {File: project.Text{{Secret: &me}}}},
	}
	for i := range 20 {
		p.Files[fmt.Sprint("chain", i)] = &project.File{Content: project.FilePath(fmt.Sprint("chain", i+1))}
	}
	p.Files["chain20"] = &project.File{Content: project.Lit("end")}
	for name, circle := range map[string]project.Text{
		"itself": project.FilePath("self"), "two": project.FilePath("a"), "a secret": {{Secret: &me}}, "too long a chain": project.FilePath("chain0"),
	} {
		if _, err := s.Resolve(p, circle); !isKind(err, BadText) || !strings.Contains(err.Error(), "in a circle") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if path, err := s.Resolve(p, project.FilePath("chain1")); err != nil || filepath.Base(path) != "chain1" {
		t.Errorf("a chain: %q, %v", path, err)
	}
}

// TestShells wants the shell that was asked for, and else the one that is there.
func TestShells(t *testing.T) {
	s := newStage(t)
	bin := filepath.Join(s.at.Root, "only-sh")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin+"/sh", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.environ = []string{"PATH=" + bin}
	line := project.Command{Shell: project.Lit("a; b")}
	l, err := s.Prepare(&project.Project{}, &project.Process{Command: line})
	if err != nil || l.Path != bin+"/sh" || !slices.Equal(l.Argv, []string{"sh", "-c", "a; b"}) {
		t.Errorf("without bash: %+v, %v", l, err)
	}
	line.ShellArgv = []string{"zsh", "-e"}
	if _, err := s.Prepare(&project.Project{}, &project.Process{Command: line}); !isKind(err, NoCommand) || !strings.Contains(err.Error(), `"zsh"`) {
		t.Errorf("the shell that was asked for does not exist: %v", err)
	}
	line.ShellArgv = []string{bin + "/sh", "-e"}
	l, err = s.Prepare(&project.Project{}, &project.Process{Command: line})
	if err != nil || !slices.Equal(l.Argv, []string{bin + "/sh", "-e", "a; b"}) {
		t.Errorf("the shell that was asked for: %+v, %v", l, err)
	}
}

// TestMayPassOn compares with what the kernel says of us in words.
func TestMayPassOn(t *testing.T) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Skip(err)
	}
	var permitted uint64
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "CapPrm:\t%x", &permitted)
	}
	for capability := range 41 {
		if got, want := mayPassOn(capability), permitted&(1<<capability) != 0; got != want {
			t.Errorf("capability %d: %t, want %t", capability, got, want)
		}
	}
}

// TestNewFolderOnAClosedWay was made by us, and is of no use to its user.
func TestNewFolderOnAClosedWay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	shut := filepath.Join(s.at.Root, "shut")
	if err := os.Mkdir(shut, 0o700); err != nil {
		t.Fatal(err)
	}
	nobody, err := s.user(&project.Project{}, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	dir, proc := project.Dir{Path: project.RootPath("/shut/new")}, exe("true")
	proc.User = "nobody"
	for range 2 { // made just now, and there already
		if err := s.CheckDir(&project.Project{}, &proc, dir); !isKind(err, BadFolder) || !strings.Contains(err.Error(), "is closed to it") {
			t.Errorf("before it is made: %v", err)
		}
		err := s.makeDir(&project.Project{}, dir, nobody)
		if !isKind(err, BadFolder) || !strings.Contains(err.Error(), "is closed to it") {
			t.Errorf("got %v", err)
		}
	}
}

// TestFolderOfAKilledStart was made and not yet given away: the next start goes on.
func TestFolderOfAKilledStart(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	openWay(s.at.Root)
	outer := filepath.Join(s.at.Root, "data")
	if err := os.Mkdir(outer, 0o700); err != nil {
		t.Fatal(err)
	}
	proc := exe("true")
	proc.User = "nobody"
	proc.Dirs = []project.Dir{{Path: project.RootPath("/data"), Mode: "0700"}, {Path: project.RootPath("/data/inner"), Mode: "0700"}}
	for _, d := range proc.Dirs {
		if err := s.CheckDir(&project.Project{}, &proc, d); err != nil {
			t.Errorf("%s: %v", d.Path, err)
		}
	}
	if _, err := s.Prepare(&project.Project{}, &proc); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outer, outer + "/inner"} {
		if info, err := os.Stat(path); err != nil || ownerOf(info) == 0 || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	// What holds something may be anybody's.
	if err := os.Chown(outer, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckDir(&project.Project{}, &proc, proc.Dirs[1]); err == nil || !strings.Contains(err.Error(), "is closed to it") {
		t.Errorf("in a folder that is not empty: %v", err)
	}
}

// TestProgramOnAClosedWay names the folder that keeps its user out.
func TestProgramOnAClosedWay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	openWay(s.at.Root)
	shut := filepath.Join(s.at.Root, "shut")
	if err := os.Mkdir(shut, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(shut+"/tool", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("shut/tool", filepath.Join(s.at.Root, "tool")); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"./shut/tool", "./tool"} {
		proc := exe(command)
		proc.User = "nobody"
		_, err := s.Prepare(&project.Project{}, &proc)
		if err == nil || !strings.Contains(err.Error(), "is closed to it") || !strings.Contains(err.Error(), shut) {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestGroupsOfAUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	for _, name := range []string{"nobody", "root"} { // another user, and who we are
		u, err := user.Lookup(name)
		if err != nil {
			t.Skip(err)
		}
		ids, err := u.GroupIds()
		if err != nil || len(ids) == 0 {
			t.Skipf("%s has no groups: %v", name, err)
		}
		a, err := s.user(&project.Project{}, name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range a.memberOf() {
			got = append(got, fmt.Sprint(g))
		}
		if !slices.Equal(got, ids) {
			t.Errorf("groups of %s: %v, want %v", name, got, ids)
		}
	}
}

// TestCureFor knows what Debian calls otherwise.
func TestCureFor(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"python3", "pip3", "tool3"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"python": `"python3" is there`, "pip": `"pip3" is there`, "tool": "install it, or name it by its full path", "nginx": "apt-get install",
	} {
		if got := cureFor(name, "/none:"+dir); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := cureFor("python", "/none"); strings.Contains(got, "is there") {
		t.Errorf("python3 is nowhere: %q", got)
	}
}
