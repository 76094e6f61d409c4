package stage

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// newStage is a stage over empty folders, one of them with a space in it.
func newStage(t *testing.T) *Stage {
	t.Helper()
	top := t.TempDir()
	at := Places{Root: filepath.Join(top, "my project"), State: filepath.Join(top, "state"), Run: filepath.Join(top, "run"), Secrets: filepath.Join(testkit.Memory(t), "secrets", "key"), Self: "/opt/nix2gpu"}
	for _, dir := range []string{at.Root, at.State, at.Run} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return New(at, &packages.Host{Dir: filepath.Join(top, "packages")}, Options{Environ: []string{"PATH=/usr/bin:/bin", "HOME=/home/me", "NOTIFY_SOCKET=/x"}})
}

func text(t *testing.T, parts ...any) project.Text {
	var out project.Text
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = project.Join(out, project.Lit(p))
		case project.Text:
			out = project.Join(out, p)
		default:
			t.Fatalf("part %v", p)
		}
	}
	return out
}

// What a shell line does with a root that has a space in it is what it would
// do with a plain one, wherever the root stands.
func TestShellLinesKeepPlacesWhole(t *testing.T) {
	s := newStage(t)
	os.WriteFile(filepath.Join(s.at.Root, "f"), []byte("content\n"), 0o644)
	for name, line := range map[string]project.Text{
		"bare":          text(t, "cd ", project.RootPath(""), " && \\\n  cat f"),
		"in a word":     text(t, "cat ", project.RootPath("/f"), "; true"),
		"double quotes": text(t, `x="`, project.RootPath("/f"), `"; cat "$x"`),
		"single quotes": text(t, `cat '`, project.RootPath("/f"), `'`),
		"no shell":      text(t, "cat ", project.RootPath("/f")),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := s.Prepare(&project.Project{}, &project.Process{Command: project.Command{Shell: line}})
			if err != nil {
				t.Fatal(err)
			}
			out, err := (&exec.Cmd{Path: l.Path, Args: l.Argv, Env: l.Env, Dir: l.Dir}).CombinedOutput()
			if err != nil || string(out) != "content\n" {
				t.Errorf("%q printed %q, %v", l.Argv, out, err)
			}
		})
	}
}

func TestPlainWords(t *testing.T) {
	for line, want := range map[string]string{
		"nvidia-smi":                        "nvidia-smi",
		" worker --instance 1 --port 8001 ": "worker|--instance|1|--port|8001",
		"a \\\n  --b=c":                     "a|--b=c",
		`say 'a  $b' "c d"e`:                "say|a  $b|c de",
		`a ''`:                              "a|",
		"cd /x":                             "", "exec a": "", "a && b": "", "a; b": "", "a > b": "", "X=1 a": "", "a $X": "", "a *": "",
		"~/a": "", "a # c": "", `a "$b"`: "", "a\nb": "", "a {1,2}": "", "[ -e x ]": "", "echo a": "", "": "", `"cd" x`: "", "a 'b": "", "! a": "", "a é": "a|é",
	} {
		words, ok := plainWords(line)
		if got := strings.Join(words, "|"); got != want || ok != (want != "") {
			t.Errorf("plainWords(%q) = %q, %t; want %q", line, got, ok, want)
		}
	}
}

func FuzzPlainWords(f *testing.F) {
	for _, seed := range []string{"a b", "a 'b c' \"d\"", "a \\\n b", "\\a", "a\tb", "a=b c", "é ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, ok := plainWords(line)
		if !ok || strings.ContainsAny(line, "\x00\r") {
			return
		}
		// The shell must see the same words: print them instead of executing.
		out, err := exec.Command("bash", "-c", `f() { printf '%s\0' "$@"; }; f `+strings.Trim(line, " \t\n")).Output()
		if want := strings.Join(words, "\x00") + "\x00"; err != nil || string(out) != want {
			t.Errorf("bash makes %q of %q, we make %q (%v)", out, line, want, err)
		}
	})
}

func TestEnvironment(t *testing.T) {
	s := newStage(t)
	os.WriteFile(filepath.Join(s.at.Root, ".env"), []byte("# c\nexport A=file\nB='$x'\nC=\"l1\\nl2\" # c\nD=p$w#d # c\nE=\n"), 0o644)
	lit := func(v string) project.Value { return project.Value{Text: project.Lit(v)} }
	p := &project.Project{Container: project.Container{Env: map[string]project.Value{"A": lit("container"), "Z": lit("container")}}}
	proc := &project.Process{
		Command:  project.Command{Shell: project.Lit("true ; env")},
		EnvFiles: []project.Text{project.Lit(".env"), project.Lit("-missing")},
		Env:      map[string]project.Value{"B": lit("own"), "SELF": {Text: project.Self()}},
		Packages: []project.PackageRef{{Attr: "bash"}},
		Path:     []project.Text{project.RootPath("/bin"), project.RootPath("/none")},
	}
	own := filepath.Join(s.at.Root, "bin")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := s.Prepare(p, proc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A=file", "B=own", "C=l1\nl2", "D=p$w#d", "E=", "Z=container", "SELF=/opt/nix2gpu", "HOME=/home/me",
		"PWD=" + s.at.Root, "PATH=" + own + ":" + filepath.Join(filepath.Dir(s.at.State), "packages/bash/bin") + ":/usr/bin:/bin"} {
		if !slices.Contains(l.Env, want) {
			t.Errorf("no %q in %q", want, l.Env)
		}
	}
	if slices.ContainsFunc(l.Env, func(kv string) bool { return strings.HasPrefix(kv, "NOTIFY_SOCKET") }) {
		t.Error("our NOTIFY_SOCKET was passed on")
	}
	proc.Env["PATH"] = lit("/mine")
	if l, err = s.Prepare(p, proc); err != nil || !slices.ContainsFunc(l.Env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=/mine:/") }) {
		t.Errorf("a PATH of the process's own must come first: %+v, %v", l, err)
	}
	os.WriteFile(filepath.Join(s.at.Root, ".env"), []byte("\nnovalue\n"), 0o644)
	if _, err = s.Prepare(p, proc); !isKind(err, BadFile) || !strings.Contains(err.Error(), "/.env:2: must be") {
		t.Errorf("a bad line: %v", err)
	}
}

func TestFilesAndFolders(t *testing.T) {
	s := newStage(t)
	p := &project.Project{Files: map[string]*project.File{
		"abc-hello": {Content: text(t, "#!/bin/sh\necho hello from ", project.RootPath(""), "\n"), Mode: "0755"},
		"d/bin/x":   {Content: project.Lit("#!/bin/sh\necho x\n"), Mode: "0755"},
		"d/empty":   {Folder: true},
		"d/hello":   {Link: project.FilePath("abc-hello")},
		"d/later":   {Link: project.RootPath("/made/later")},
	}}
	proc := &project.Process{
		Command: project.Command{Exec: []project.Text{project.FilePath("abc-hello"), text(t, project.FilePath("d"), "/bin/x")}},
		Dirs:    []project.Dir{{Path: project.Lit("data/a/b"), Mode: "0700"}},
		Files:   []project.File{{Path: project.RunPath("/app/conf"), Content: text(t, "dir ", project.RootPath("/data"), "\n"), Mode: "0600"}},
	}
	conf := filepath.Join(s.at.Run, "app/conf")
	var before os.FileInfo
	for range 2 {
		l, err := s.Prepare(p, proc)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(l.Argv[1]).Output()
		if err != nil || string(out) != "x\n" {
			t.Errorf("the file of a folder: %q, %v", out, err)
		}
		if out, _ := exec.Command(l.Path).Output(); string(out) != "hello from "+s.at.Root+"\n" {
			t.Errorf("the generated file printed %q", out)
		}
		d := filepath.Dir(filepath.Dir(l.Argv[1]))
		if out, err := exec.Command(filepath.Join(d, "hello")).Output(); err != nil || len(out) == 0 {
			t.Errorf("the link to a generated file: %q, %v", out, err)
		}
		if to, err := os.Readlink(filepath.Join(d, "later")); to != s.at.Root+"/made/later" {
			t.Errorf("the link to what is not there yet: %q, %v", to, err)
		}
		if in, err := os.ReadDir(filepath.Join(d, "empty")); err != nil || len(in) > 0 {
			t.Errorf("the empty folder: %v, %v", in, err)
		}
		info, err := os.Stat(conf)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("conf: %v, %v", info, err)
		}
		if before != nil && !os.SameFile(before, info) {
			t.Error("an unchanged file was written again")
		}
		before = info
	}
	if info, err := os.Stat(filepath.Join(s.at.Root, "data/a/b")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	if data, _ := os.ReadFile(conf); string(data) != "dir "+s.at.Root+"/data\n" {
		t.Errorf("conf holds %q", data)
	}
}

func TestWhatCannotStart(t *testing.T) {
	s := newStage(t)
	at := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(s.at.Root, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	at("plain", "#!/bin/sh\n", 0o644)
	at("lost", "#!/no/such/interpreter -x\n", 0o755)
	at("dos", "#!/bin/sh\r\n", 0o755)
	at("text", "echo from the shell\n", 0o755)
	for _, c := range []struct {
		name string
		proc project.Process
		kind Kind
		want string
	}{
		{"unknown", exe("no-such-program", "x"), NoCommand, `command "no-such-program" does not exist`},
		{"unknown path", exe("./none"), NoCommand, `command "./none" does not exist`},
		{"with a cure", exe("rabbitmqctl"), NoCommand, "apt-get install --no-install-recommends rabbitmq-server"},
		{"not executable", exe("./plain"), NotExecutable, "hint: chmod +x"},
		{"folder", exe("/etc"), NotExecutable, `command "/etc" is a folder`},
		{"interpreter", exe("./lost"), NoInterpreter, `needs interpreter "/no/such/interpreter", which does not exist`},
		{"line ends", exe("./dos"), NoInterpreter, "Windows line endings"},
		{"no format", exe("./text"), NoFormat, "#!"},
		{"empty", project.Process{Command: project.Command{Shell: project.Lit("  ")}}, NoCommand, "the command is empty"},
		{"working folder", project.Process{Dir: project.Lit("nowhere"), Command: exe("true").Command}, BadFolder, "does not exist\nhint: mkdir -p"},
		{"folder is a file", project.Process{Dirs: []project.Dir{{Path: project.Lit("plain")}}, Command: exe("true").Command}, BadFolder, "but is a file"},
		{"package", project.Process{Command: project.Command{Exec: []project.Text{project.PackagePath("no-such-thing", "/bin/x")}}}, BadPackage, "apt-get install"},
		{"package without the program", project.Process{Command: project.Command{Exec: []project.Text{project.PackagePath("bash", "/bin/none")}}}, BadPackage, `has no program "none"`},
		{"generated file", project.Process{Command: project.Command{Exec: []project.Text{project.FilePath("none")}}}, BadText, "no generated file"},
		{"secret", project.Process{Command: exe("true").Command, Env: map[string]project.Value{"S": {Text: project.Text{{Secret: ptr("key")}}}}}, BadSecret, `there is no secret "key"`},
		{"mode", project.Process{Command: exe("true").Command, Dirs: []project.Dir{{Path: project.Lit("x"), Mode: "rwx"}}}, BadText, "octal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Prepare(&project.Project{}, &c.proc)
			if !isKind(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want kind %d with %q", err, c.kind, c.want)
			}
		})
	}
	l, err := s.Prepare(&project.Project{}, &project.Process{Command: project.Command{Shell: project.Lit("./text")}})
	if err != nil || l.Argv[0] != "bash" {
		t.Errorf("a script without #! must be the shell's: %+v, %v", l, err)
	}
}

func exe(words ...string) project.Process {
	var out project.Process
	for _, w := range words {
		out.Command.Exec = append(out.Command.Exec, project.Lit(w))
	}
	return out
}

func ptr[T any](v T) *T { return &v }

// A file that is given away keeps the bits that a change of owner takes.
func TestSpecialModes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	s := newStage(t)
	for dir := s.at.Root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	proc := project.Process{
		Command: project.Command{Shell: project.Lit("true")},
		Dirs:    []project.Dir{{Path: project.Lit("shared"), Mode: "2750", Owner: "nobody"}},
		Files:   []project.File{{Path: project.Lit("tool"), Content: project.Lit("x"), Mode: "4750", Owner: "nobody"}},
	}
	var before os.FileInfo
	for range 2 {
		if _, err := s.Prepare(&project.Project{}, &proc); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(s.at.Root, "tool"))
		if err != nil || info.Mode() != os.ModeSetuid|0o750 || ownerOf(info) == 0 {
			t.Fatalf("file: %v, %v", info.Mode(), err)
		}
		if before != nil && !os.SameFile(before, info) {
			t.Error("an unchanged file was written again")
		}
		before = info
		if info, err := os.Stat(filepath.Join(s.at.Root, "shared")); err != nil || info.Mode() != os.ModeDir|os.ModeSetgid|0o750 || ownerOf(info) == 0 {
			t.Errorf("folder: %v, %v", info.Mode(), err)
		}
	}
}

func TestOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	proc := project.Process{User: "nobody", Dirs: []project.Dir{{Path: project.Lit("data")}}, Command: project.Command{Shell: project.Lit("true; env")}}
	_, err := s.Prepare(&project.Project{}, &proc)
	if !isKind(err, BadFolder) || !strings.Contains(err.Error(), "is closed to it\nhint: chmod o+x") {
		t.Fatalf("a folder closed to the user: %v", err)
	}
	openWay(s.at.Root)
	os.Chmod(s.at.Run, 0o700) // ours: opened for passing through
	l, err := s.Prepare(&project.Project{}, &proc)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(filepath.Join(s.at.Root, "data"))
	if !l.SetUser || l.UID == 0 || ownerOf(info) != l.UID || !slices.Contains(l.Env, "USER=nobody") {
		t.Errorf("%+v, data owned by %d", l, ownerOf(info))
	}
	if info, _ := os.Stat(s.at.Run); info.Mode().Perm() != 0o711 {
		t.Errorf("run folder has mode %o", info.Mode().Perm())
	}
	os.WriteFile(filepath.Join(s.at.Root, "data/file"), nil, 0o644)
	os.Chown(filepath.Join(s.at.Root, "data"), 0, 0)
	if _, err := s.Prepare(&project.Project{}, &proc); !isKind(err, BadFolder) || !strings.Contains(err.Error(), "chown -R nobody") {
		t.Errorf("a full folder of someone else: %v", err)
	}
	proc.User = "no-such-user"
	if _, err := s.Prepare(&project.Project{}, &proc); !isKind(err, BadUser) {
		t.Errorf("an unknown user: %v", err)
	}
}

// A user that the machine lacks has the ids that the project declares; one that
// it has, its own; and no number of somebody else is taken.
func TestDeclaredUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t)
	s.search = false
	for dir := s.at.Root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &project.Project{Users: map[string]project.User{
		"no-such-user": {UID: 61111, GID: 61112, Home: "/var/lib/x"},
		"nobody":       {UID: 61113, GID: 61113, Home: "/"},
		"no-such-too":  {UID: 65534, GID: 61114, Home: "/"},
	}}
	proc := project.Process{User: "no-such-user", Dirs: []project.Dir{{Path: project.Lit("data")}}, Command: project.Command{Exec: []project.Text{project.Lit("/bin/true")}}}
	l, err := s.Prepare(p, &proc)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(filepath.Join(s.at.Root, "data"))
	if !l.SetUser || l.UID != 61111 || l.GID != 61112 || len(l.Groups) != 0 || ownerOf(info) != 61111 || !slices.Contains(l.Env, "HOME=/var/lib/x") {
		t.Errorf("a declared user: %+v, its folder is of %d", l, ownerOf(info))
	}
	if l, err := s.Prepare(p, &project.Process{User: "nobody", Command: proc.Command}); err != nil || l.UID != 65534 {
		t.Errorf("a user of the machine: %+v, %v", l, err)
	}
	if _, err := s.Prepare(p, &project.Process{User: "no-such-too", Command: proc.Command}); !isKind(err, BadUser) || !strings.Contains(err.Error(), `its number 65534 is that of "nobody"`) {
		t.Errorf("a number of somebody else: %v", err)
	}
}

// A project below a folder that only root may enter is reachable for built-in
// services, by a capability, and for them only.
func TestClosedProjects(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	s := newStage(t) // below a folder of mode 0700
	proc := project.Process{ID: "redis.r", Service: "redis.r", Role: project.Main, User: "nobody",
		Dirs: []project.Dir{{Path: project.RootPath("/data")}}, Command: project.Command{Exec: []project.Text{project.PackagePath("bash", "/bin/bash")}}}
	p := &project.Project{Services: map[project.ID]*project.Service{
		"redis.r": {ID: "redis.r", Type: "redis", Main: "redis.r", Ports: []project.Port{{Port: 80}}},
	}}
	l, err := s.Prepare(p, &proc)
	if !s.search { // in a container, mostly
		if !isKind(err, BadFolder) {
			t.Errorf("without the capability: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"net_bind_service", "dac_read_search"}; !slices.Equal(l.Caps, want) {
		t.Errorf("capabilities %q, want %q", l.Caps, want)
	}
	if strings.Contains(l.Path, "packages") || l.Argv[0] != l.Path {
		t.Errorf("the program must be named where it lies, not %q as %q", l.Path, l.Argv[0])
	}
	p.Services["redis.r"].Type = "custom"
	if _, err := s.Prepare(p, &proc); !isKind(err, BadFolder) {
		t.Errorf("a custom service: %v", err)
	}
}

// What we make on the way to other users' data is open to them under any umask.
func TestUmask(t *testing.T) {
	s := newStage(t)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	proc := exe("true")
	proc.Dirs = []project.Dir{{Path: project.RootPath("/data/x/y")}}
	proc.Files = []project.File{{Path: project.RunPath("/app/conf"), Content: project.Lit("x")}}
	proc.Packages = []project.PackageRef{{Attr: "bash"}}
	if _, err := s.Prepare(&project.Project{}, &proc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{
		s.at.Root + "/data": 0o755, s.at.Root + "/data/x": 0o755, s.at.Root + "/data/x/y": 0o755,
		s.at.Run + "/app": 0o755, s.at.Run + "/app/conf": 0o644,
		filepath.Dir(s.at.State) + "/packages": 0o755, filepath.Dir(s.at.State) + "/packages/bash/bin": 0o755,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", path, info.Mode().Perm(), err, want)
		}
	}
}

// TestLacksGPU tells of the driver's own program where a shell is to run it.
func TestLacksGPU(t *testing.T) {
	s := newStage(t)
	s.inside = true
	s.environ = []string{"PATH=" + t.TempDir() + ":/usr/bin:/bin"}
	for line, want := range map[string]bool{
		"nvidia-smi && true": true, "true; exec nvidia-smi -L": true, "echo nvidia-smi; true": false, "command -v nvidia-smi || true": false, "true; false": false,
	} {
		l, err := s.Prepare(&project.Project{}, &project.Process{Command: project.Command{Shell: project.Lit(line)}})
		if err != nil {
			t.Fatal(err)
		}
		if (l.Lacks != nil) != want || want && (l.Lacks.Kind != NoGPU || l.Lacks.Error() != "no GPU here: run with --gpus all") {
			t.Errorf("%q: %v, want one: %t", line, l.Lacks, want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/nvidia-smi", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.environ = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	l, err := s.Prepare(&project.Project{}, &project.Process{Command: project.Command{Exec: []project.Text{project.Lit("sh"), project.Lit("-c"), project.Lit("nvidia-smi; true")}}})
	if err != nil || l.Lacks != nil {
		t.Errorf("with the program: %+v, %v", l, err)
	}
}
