package stage

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/project"
)

// TestWhatTheMachineRefuses is what is wrong with the files around a process.
func TestWhatTheMachineRefuses(t *testing.T) {
	s := newStage(t)
	put := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(s.at.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("plain", "#!/bin/sh\n", 0o644)
	put("bad/tool", "#!/bin/sh\n", 0o644)
	put("py/python3", "#!/bin/sh\n", 0o755)
	if err := os.Symlink("/no/such/target", filepath.Join(s.at.Root, "dangling")); err != nil {
		t.Fatal(err)
	}
	// A program for another libc: its loader is not there.
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	put("foreign", string(bytes.ReplaceAll(program, []byte("/ld-"), []byte("/xx-"))), 0o755)
	with := func(change func(*project.Process)) project.Process {
		proc := exe("true")
		change(&proc)
		return proc
	}
	path := func(name string) project.Text { return project.RootPath("/" + name) }
	for _, c := range []struct {
		name  string
		proc  project.Process
		kind  Kind
		want  string
		cause error
	}{
		{"folder below a file", with(func(p *project.Process) { p.Dirs = []project.Dir{{Path: path("plain/x")}} }), BadFolder, `/plain/x": not a directory`, nil},
		{"folder that nobody can make", with(func(p *project.Process) { p.Dirs = []project.Dir{{Path: project.Lit("/proc/nix2gpu/x")}} }), BadFolder, `cannot make folder "/proc/nix2gpu/x"`, nil},
		{"folder of a missing user", with(func(p *project.Process) { p.Dirs = []project.Dir{{Path: path("d"), Owner: "no-such-user"}} }), BadUser, `"no-such-user"`, nil},
		{"file below a file", with(func(p *project.Process) {
			p.Files = []project.File{{Path: path("plain/x"), Content: project.Lit("x")}}
		}), BadFolder, `/plain": file exists`, nil},
		{"mode of a file", with(func(p *project.Process) {
			p.Files = []project.File{{Path: path("f"), Content: project.Lit("x"), Mode: "10000"}}
		}), BadText, `mode "10000" must be octal`, nil},
		{"working folder is a file", with(func(p *project.Process) { p.Dir = path("plain") }), BadFolder, "is a file", nil},
		{"working folder below a file", with(func(p *project.Process) { p.Dir = path("plain/x") }), BadFolder, "cannot use working folder", nil},
		{"no environment file", with(func(p *project.Process) { p.EnvFiles = []project.Text{path("none.env")} }), BadFile, "may be missing", fs.ErrNotExist},
		{"environment file is a folder", with(func(p *project.Process) { p.EnvFiles = []project.Text{path("py")} }), BadFile, "cannot read environment file", nil},
		{"link to nothing", exe("./dangling"), NoCommand, `is a link to "/no/such/target", which does not exist`, fs.ErrNotExist},
		{"command below a file", exe("./plain/x"), NotExecutable, "not a directory", nil},
		{"not executable, in PATH", with(func(p *project.Process) {
			p.Command = exe("tool").Command
			p.Path = []project.Text{path("bad")}
			p.Env = map[string]project.Value{"PATH": {Text: path("bad")}}
		}), NotExecutable, "chmod +x", fs.ErrPermission},
		{"python", with(func(p *project.Process) {
			p.Command = exe("python").Command
			p.Env = map[string]project.Value{"PATH": {Text: path("py")}}
		}), NoCommand, `"python3" is there`, fs.ErrNotExist},
		{"loader", exe("./foreign"), NoInterpreter, "the program was built for another system or libc", fs.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			here := *s
			if c.name == "python" {
				here.environ = []string{"PATH=/none"} // where python may be
			}
			_, err := here.Prepare(&project.Project{}, &c.proc)
			if !isKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want kind %d with %q", err, c.kind, c.want)
			}
			if c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("%v is not %v", err, c.cause)
			}
		})
	}
}

// TestALaterProgramInPATH wants the one that works.
func TestALaterProgramInPATH(t *testing.T) {
	s := newStage(t)
	for name, mode := range map[string]os.FileMode{"bad/tool": 0o644, "good/tool": 0o755, "folder/tool/x": 0o755} {
		path := filepath.Join(s.at.Root, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, []byte("#!/bin/sh\n"), mode)
	}
	proc := exe("tool", "arg")
	for _, dir := range []string{"/folder", "/bad", "/good"} {
		proc.Path = append(proc.Path, project.RootPath(dir))
	}
	l, err := s.Prepare(&project.Project{}, &proc)
	if want := filepath.Join(s.at.Root, "good/tool"); err != nil || l.Path != want || !slices.Equal(l.Argv, []string{"tool", "arg"}) {
		t.Errorf("got %+v, %v, want %s", l, err, want)
	}
}

// TestPrepareExec is a command in a process's surroundings: nothing is made.
func TestPrepareExec(t *testing.T) {
	s := newStage(t)
	work := filepath.Join(s.at.Root, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	proc := exe("sleep", "1")
	proc.Dir = project.RootPath("/work")
	proc.Env = map[string]project.Value{"A": {Text: project.Lit("own")}}
	proc.Dirs = []project.Dir{{Path: project.RootPath("/data")}}
	for dir, want := range map[string]string{"": work, "/": s.at.Root} {
		var at project.Text
		if dir != "" {
			at = project.RootPath("")
		}
		l, err := s.PrepareExec(&project.Project{}, &proc, exe("true", dir).Command, at)
		if err != nil || l.Dir != want || !slices.Contains(l.Env, "A=own") || len(l.Argv) != 2 || filepath.Base(l.Path) != "true" {
			t.Errorf("in %q: %+v, %v", dir, l, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.at.Root, "data")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
	proc.User = "no-such-user"
	if _, err := s.PrepareExec(&project.Project{}, &proc, exe("true").Command, nil); !isKind(err, BadUser) {
		t.Errorf("got %v", err)
	}
}

// TestFoldersOfOthers are given away only while they are empty.
func TestFoldersOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	s := newStage(t)
	openWay(s.at.Root)
	for _, name := range []string{"empty", "full"} {
		if err := os.Mkdir(filepath.Join(s.at.Root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(s.at.Root, "full/x"), nil, 0o600)
	proc := exe("true")
	proc.User = "nobody"
	proc.Dirs = []project.Dir{{Path: project.RootPath("/empty")}, {Path: project.RootPath("/sticky"), Mode: "1777"}, {Path: project.RootPath("/mine"), Owner: "root"}}
	if _, err := s.Prepare(&project.Project{}, &proc); err != nil {
		t.Fatal(err)
	}
	nobody, err := s.user(&project.Project{}, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{"empty": nobody.uid, "sticky": nobody.uid, "mine": 0} {
		info, err := os.Stat(filepath.Join(s.at.Root, name))
		if err != nil || ownerOf(info) != want {
			t.Errorf("%s belongs to %d (%v), want %d", name, ownerOf(info), err, want)
		}
	}
	if info, _ := os.Stat(filepath.Join(s.at.Root, "sticky")); info.Mode() != os.ModeDir|os.ModeSticky|0o777 {
		t.Errorf("mode 1777 gave %v", info.Mode())
	}
	proc.Dirs = []project.Dir{{Path: project.RootPath("/full")}}
	_, err = s.Prepare(&project.Project{}, &proc)
	if want := "chown -R nobody " + s.at.Root + "/full"; !isKind(err, BadFolder) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// openWay lets other users through to a folder.
func openWay(to string) {
	for dir := to; dir != "/"; dir = filepath.Dir(dir) {
		if info, _ := os.Stat(dir); info.Mode()&0o001 == 0 {
			os.Chmod(dir, info.Mode().Perm()|0o011)
		}
	}
}
