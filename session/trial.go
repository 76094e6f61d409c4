package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
	"nix2gpu/stage"
)

// A Tester runs a program once, with the environment env, and returns what it printed
// and its exit code. The error says why it could not be run, or that ctx has ended.
type Tester func(ctx context.Context, t process.Trial, env []string) (output string, code int, err error)

const (
	trialTime   = 5 * time.Second // limit for one test
	trialsAlike = 4               // how many tests run at a time
)

// An attempt is one test of a configuration. Its outcome is there once over is closed.
type attempt struct {
	service *project.Service
	over    chan struct{}
	failed  bool
	pos     project.Pos
	msg     string
	hint    string
	note    string // why the test was inconclusive
	digest  string // of the configuration, if it has passed
	shared  string // why it had no network of its own
}

// trials starts servers' tests of their own configuration, which run while everything
// else is checked. A configuration that can't be tested counts as right: the server
// itself will report what is wrong. over is called for each test before anybody hears of
// its outcome; it may be nil.
func (c *check) trials(ctx context.Context, over func(*attempt)) (list []*attempt) {
	if c.Trial == nil || c.scratch == "" {
		return nil
	}
	slots := make(chan struct{}, trialsAlike)
	c.services(func(s *project.Service) {
		main := c.tested(s)
		if main == nil {
			return
		}
		a := &attempt{service: s, over: make(chan struct{})}
		list = append(list, a)
		go func() {
			defer close(a.over)
			slots <- struct{}{}
			defer func() { <-slots }()
			c.trial(ctx, a, main)
			if over != nil {
				over(a)
			}
		}()
	})
	return list
}

// tested returns the main process of a service if its server tests its configuration; else
// nil.
func (c *check) tested(s *project.Service) *project.Process {
	main := c.project.Processes[s.Main]
	if main == nil || main.Test == nil || s.Unsupported != "" {
		return nil
	}
	return main
}

// tests reports whether there is anything to test.
func (c *check) tests() (some bool) {
	c.services(func(s *project.Service) { some = some || c.tested(s) != nil })
	return some
}

// verdicts waits for tests, and reports what they have found.
func (c *check) verdicts(list []*attempt) {
	for _, a := range list {
		<-a.over
	}
	if i := slices.IndexFunc(list, func(a *attempt) bool { return a.shared != "" }); i >= 0 && c.Shared != nil {
		c.Shared(list[i].shared)
	}
	for _, a := range list {
		known := slices.ContainsFunc(c.unmet, func(u Precondition) bool { return u.Service == "" || u.Service == a.service.ID })
		switch {
		case known: // the other failure is the cause
		case a.failed:
			c.fail(ConfigRejected, a.service, a.pos, a.hint, "%s", a.msg)
		case a.note != "" && c.Note != nil:
			c.Note(a.service, a.note)
		case a.digest != "" && c.Passed != nil:
			c.Passed(a.service.ID, a.digest)
		}
	}
}

// trial lets one server test a copy of its configuration.
func (c *check) trial(ctx context.Context, a *attempt, main *project.Process) {
	dir := filepath.Join(c.scratch, "trial", fmt.Sprintf("%x", sha256.Sum256([]byte(a.service.ID)))[:12])
	at := stage.Places{Root: filepath.Join(dir, "root"), State: filepath.Join(dir, "state"), Run: filepath.Join(dir, "run"), Shipped: c.Layout.Shipped, Self: c.Self}
	if at.Secrets = c.Layout.TrialSecrets(filepath.Base(dir)); at.Secrets != "" {
		defer os.RemoveAll(at.Secrets)
	}
	o, err := newOverlay(c.Root, at.Root, belowRoot(main.Dirs, func(d project.Dir) project.Text { return d.Path }),
		belowRoot(main.Files, func(f project.File) project.Text { return f.Path }))
	if err != nil {
		a.note = err.Error()
		return
	}
	st := stage.New(at, c.provider(), stage.Options{Environ: c.Environ, Container: c.inside(), Beside: []string{c.Root}})
	own := *main
	own.Command = main.Test.Command
	own.Log.File = nil
	launch, err := st.Prepare(c.project, &own)
	var e *stage.Error
	if errors.As(err, &e) {
		a.note = e.Msg
		return
	} else if err != nil {
		a.note = err.Error()
		return
	}
	o.complete()
	lent := c.lentPaths(st, &own)
	o.names = append(lent, [2]string{at.Run, c.Layout.Run}, [2]string{at.State, c.Layout.State})
	files := c.written(st, &own)
	digest := c.digest(o, launch, files, lent)
	if !c.Anew && tested(c.Layout, a.service.ID) == digest {
		return
	}
	limited, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	t := process.Trial{Path: launch.Path, Argv: launch.Argv, Dir: launch.Dir, Caps: launch.Caps, NoNewPrivs: launch.NoNewPrivs}
	if launch.SetUser {
		t.User = &process.User{UID: int(launch.UID), GID: int(launch.GID)}
		for _, g := range launch.Groups {
			t.User.Groups = append(t.User.Groups, int(g))
		}
	}
	out, code, err := c.Trial(limited, t, launch.Env)
	out, a.shared = process.CutShared(out)
	says := func(texts []string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(out, text) })
	}
	switch {
	case err != nil && limited.Err() != nil:
		a.note = fmt.Sprintf("the test of its configuration took longer than %v", trialTime)
	case err != nil:
		a.note = err.Error()
	case code == 0 && !says(main.Test.Fails) || says(main.Test.Passes):
		a.digest = digest
	case code == process.TrialBroken || says(main.Test.Inconclusive) || len(a.service.DependsOn) > 0 && says(missing):
		a.note = findConfigError(out, nil).text
	default:
		a.failed = true
		c.explain(a, o, files, lent, out)
	}
}

// missing is what programs say of a file that is not there. What a service waits for may
// make it: the key of an authority, the socket of a database.
var missing = []string{"no such file or directory", "No such file or directory"}

// belowRoot returns those paths that lie below the definition's folder, relative to it.
func belowRoot[T any](list []T, pathOf func(T) project.Text) (paths []string) {
	for _, of := range list {
		t := pathOf(of)
		if len(t) == 0 || t[0].Root == nil {
			continue
		}
		rest, ok := t[1:].Literal()
		if !ok {
			continue
		}
		if path := strings.TrimPrefix(filepath.Clean("/"+*t[0].Root+rest), "/"); path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// A writtenFile is a generated file of a process, as the test sees it.
type writtenFile struct {
	path, content string
	pos           *project.Passage // where the user has written it
	secret        bool             // there are secrets in it
}

func (c *check) written(st *stage.Stage, proc *project.Process) (files []writtenFile) {
	for _, f := range proc.Files {
		path, err := st.Resolve(c.project, f.Path)
		if err != nil || len(f.Source) > 0 {
			continue
		}
		if data, err := os.ReadFile(path); err == nil {
			secret := slices.ContainsFunc(f.Content, func(part project.Part) bool { return part.Secret != nil })
			files = append(files, writtenFile{path, string(data), f.Pos, secret})
		}
	}
	return files
}

// lentPaths returns pairs of paths: where the process finds a file of the user's, and
// where that file is.
func (c *check) lentPaths(st *stage.Stage, proc *project.Process) (lent [][2]string) {
	for _, f := range proc.Files {
		path, err := st.Resolve(c.project, f.Path)
		source, err2 := st.Resolve(c.project, f.Source)
		if len(f.Source) > 0 && err == nil && err2 == nil {
			lent = append(lent, [2]string{path, source})
		}
	}
	return lent
}

// digest returns the digest of all that decides the outcome of a test: the program, its
// arguments, the generated files, and the files that these name. A test that has
// passed is not repeated while its digest is the same.
func (c *check) digest(o *overlay, launch *stage.Launch, files []writtenFile, lent [][2]string) string {
	h := sha256.New()
	clean := func(text string) string { // scratch has another name each time, and packages on the first run
		return strings.NewReplacer(c.Layout.Packages, "/packages", c.scratch, "").Replace(o.back(text))
	}
	fmt.Fprintf(h, "%q %d\n", clean(strings.Join(launch.Argv, "\x00")), launch.UID)
	identify(h, launch.Path)
	ours := map[string]bool{}
	for _, f := range files {
		ours[o.back(f.path)] = true // the file at the real path is an earlier run's
	}
	for _, l := range lent {
		identify(h, l[1])
	}
	for _, f := range files {
		text := clean(f.content)
		fmt.Fprintf(h, "%q %q\n", clean(f.path), text)
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'`;,{}()[]<>=", r) }) {
			if filepath.IsAbs(word) && !ours[word] {
				identify(h, word)
			}
		}
	}
	for _, word := range launch.Argv[1:] {
		if word = o.back(word); filepath.IsAbs(word) && !ours[word] {
			identify(h, word)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// identify adds to h which file path leads to, and when that was last changed. Folders
// are left out, because servers write into theirs.
func identify(h hash.Hash, path string) {
	if i := strings.IndexAny(path, "*?"); i >= 0 {
		matches, _ := filepath.Glob(path)
		for _, m := range matches {
			identify(h, m)
		}
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	stat, _ := info.Sys().(*syscall.Stat_t)
	if info.IsDir() || stat == nil {
		return
	}
	fmt.Fprintf(h, "%q %d %d %d %d %o\n", filepath.Base(path), stat.Ino, info.Size(), info.ModTime().UnixNano(), stat.Uid, stat.Mode)
}

// testedName returns the file that keeps the digest of what has passed.
func testedName(l rundir.Layout, id project.ID) string {
	return filepath.Join(l.State, "tested", fmt.Sprintf("%x", sha256.Sum256([]byte(id)))[:16])
}

// tested returns the digest of the configuration that has passed last; "" if none has.
func tested(l rundir.Layout, id project.ID) string {
	data, err := safefile.ReadNamed(testedName(l, id), 1<<10)
	if err != nil {
		return ""
	}
	return string(data)
}

// keepTested keeps the digest of what has passed. If that fails, the test will only be
// repeated.
func keepTested(l rundir.Layout, id project.ID, digest string) {
	name := testedName(l, id)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return
	}
	_ = safefile.Replace(name, []byte(digest), 0o600)
}
