package session

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"nix2gpu/filewatch"
	"nix2gpu/logcopy"
	"nix2gpu/project"
)

// fileWatches are the watches of services that restart when files change.
type fileWatches struct {
	mu      sync.Mutex
	running map[project.ID]*fileWatch
	ended   bool
}

type fileWatch struct {
	spec    string // as text, to tell whether it has changed
	cancel  context.CancelFunc
	done    chan struct{}
	problem string // why nothing is seen at present; guarded by fileWatches.mu
}

// watchFiles makes the watches those of a project. When it returns, each sees what changes.
func (s *session) watchFiles(p *project.Project) {
	f := &s.files
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	if f.running == nil {
		f.running = map[project.ID]*fileWatch{}
	}
	wanted, specs := map[project.ID]filewatch.Options{}, map[project.ID]string{}
	for id, svc := range p.Services {
		if svc.Watch != nil && svc.Unsupported == "" {
			wanted[id], specs[id] = s.filesOf(p, svc)
		}
	}
	for id, w := range f.running {
		if w.spec != specs[id] {
			w.cancel()
			delete(f.running, id)
		}
	}
	for id, opts := range wanted {
		if f.running[id] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		w := &fileWatch{spec: specs[id], cancel: cancel, done: make(chan struct{})}
		f.running[id] = w
		first, err := filewatch.New(opts)
		if err != nil {
			w.problem = watchProblem(p.Services[id].Label, err)
		}
		go s.keepWatching(ctx, id, p.Services[id].Label, w, opts, first)
	}
}

func watchProblem(label string, err error) string {
	return fmt.Sprintf("%s does not restart when files change: %v", label, err)
}

// keepWatching watches until ctx ends. What can't be watched is tried again.
func (s *session) keepWatching(ctx context.Context, id project.ID, label string, w *fileWatch, opts filewatch.Options, now *filewatch.Watcher) {
	defer close(w.done)
	touch := func(path string) {
		if rel, err := filepath.Rel(s.Root, path); err == nil && filepath.IsLocal(rel) {
			path = rel
		}
		if restarts, err := s.engine.Touch(ctx, id, path); err == nil && restarts {
			s.log.Info("a watched file has changed", "service", id, "path", path)
		}
	}
	retry := time.NewTicker(watchPace)
	defer retry.Stop()
	for {
		var err error
		if now == nil {
			now, err = filewatch.New(opts)
			if err == nil {
				s.watchProblem(w, "")
				touch(opts.Paths[0].Path) // what has changed meanwhile is not known
			}
		}
		if err == nil {
			err = now.Run(ctx, touch)
			now = nil
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.watchProblem(w, watchProblem(label, err))
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) watchProblem(w *fileWatch, problem string) {
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	w.problem = problem
}

// failed is why not all that is to be watched is seen at present.
func (f *fileWatches) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, w := range f.running {
		if w.problem != "" {
			all = append(all, w.problem)
		}
	}
	if len(all) == 0 {
		return nil
	}
	sort.Strings(all)
	return fmt.Errorf("%s", strings.Join(all, "; "))
}

// close ends all watches, and none begins any more.
func (f *fileWatches) close() error {
	f.mu.Lock()
	f.ended = true
	running := f.running
	f.mu.Unlock()
	for _, w := range running {
		w.cancel()
	}
	for _, w := range running {
		<-w.done
	}
	return nil
}

// filesOf is what a service watches, and all that it depends on as text. Our own files
// never count, and neither do copies of logs: services would restart by what they print.
func (s *session) filesOf(p *project.Project, svc *project.Service) (opts filewatch.Options, spec string) {
	st := s.Stage()
	resolved := func(dir string, t project.Text) string {
		path, err := st.Resolve(p, t)
		if err != nil || path == "" {
			return ""
		}
		return absolute(dir, path)
	}
	dir := s.Root
	if proc := p.Processes[svc.Main]; proc != nil && len(proc.Dir) > 0 {
		dir = resolved(s.Root, proc.Dir)
	}
	w := svc.Watch
	opts = filewatch.Options{All: w.All, MaxFolders: w.MaxFolders, Debounce: time.Duration(w.Debounce)}
	if opts.MaxFolders == 0 {
		opts.MaxFolders = project.DefaultMaxFolders
	}
	if opts.Debounce == 0 {
		opts.Debounce = project.DefaultDebounce
	}
	for _, at := range w.Paths {
		path := cmp.Or(resolved(dir, at.Path), at.Path.String()) // what has no path here is named all the same
		opts.Paths = append(opts.Paths, filewatch.Tree{Path: path, Include: at.Include, Exclude: at.Exclude})
	}
	own := s.Layout.State
	if parent := filepath.Dir(own); filepath.Base(parent) == ".nix2gpu" {
		own = parent
	}
	logs := []string{}
	for _, proc := range p.Processes {
		if path := resolved(s.Root, proc.Log.File); path != "" && !slices.Contains(logs, path) {
			logs = append(logs, path)
		}
	}
	slices.Sort(logs)
	spec = fmt.Sprint(opts, logs)
	opts.Ignore = func(path string) bool {
		if path == own || strings.HasPrefix(path, own+"/") || path == s.Layout.Socket || path == s.Layout.Socket+".lock" {
			return true
		}
		return slices.ContainsFunc(logs, func(log string) bool { return path == log || logcopy.IsAside(path, log) })
	}
	return opts, spec
}

func absolute(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
