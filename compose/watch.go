package compose

import (
	"strings"
	"time"

	"nix2gpu/project"
)

// watch reads which files restart the process when they change.
func (r *one) watch(svc *project.Service) {
	n := r.f.get("watch")
	if n == nil {
		return
	}
	f := r.l.fields(n, "watch")
	w := &project.Watch{Pos: n.pos, Cascade: f.boolean("cascade"), All: f.boolean("disable_default_excludes"), MaxFolders: f.number("max_entries", 0, 0, 1<<20)}
	svc.Watch = w
	switch {
	case r.several:
		r.l.failHint(n.pos, "leave one of them out", "watch and replicas exclude each other")
	case r.f.boolean("is_foreground"):
		r.l.failHint(n.pos, "leave one of them out", "watch and is_foreground exclude each other")
	}
	if text := f.text("debounce", ""); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			r.l.fail(f.pos("debounce"), "debounce must be like \"300ms\" or \"1s\", not %q", text)
		}
		w.Debounce = project.Duration(d)
	}
	if f.get("buffer_size") != nil {
		r.l.note(r.id, f.pos("buffer_size"), "buffer_size has no effect: it is for Windows")
	}
	if paths := f.get("paths"); paths != nil && paths.kind != list {
		r.l.failHint(paths.pos, "write \"paths: [ { path: ./src } ]\"", "paths must be a list, not %s", paths.kind)
	} else if paths != nil {
		for _, item := range paths.items {
			p := r.l.fields(item, "a path of watch")
			at := p.text("path", "")
			if strings.Contains(at, "{{") {
				r.l.failHint(p.pos("path"), "write the path itself, or ${NAME}", "a path of watch can't be a template: %q", at)
			}
			w.Paths = append(w.Paths, project.WatchPath{Path: project.Lit(at), Include: p.texts("include"), Exclude: p.texts("exclude")})
			p.done()
		}
	}
	f.done()
}

// watch writes it.
func (e *encoder) watch(w *project.Watch) mapping {
	var m mapping
	if w == nil {
		return m
	}
	var paths []mapping
	all := func(texts []string) (out []string) {
		for _, text := range texts {
			out = append(out, dollars(text))
		}
		return out
	}
	for _, p := range w.Paths {
		one := mapping{{"path", e.show(p.Path)}}
		one.add("include", all(p.Include))
		one.add("exclude", all(p.Exclude))
		paths = append(paths, one)
	}
	m = append(m, entry{"paths", paths})
	m.add("cascade", w.Cascade)
	if w.Debounce != 0 {
		m.add("debounce", time.Duration(w.Debounce).String())
	}
	m.add("max_entries", w.MaxFolders)
	m.add("disable_default_excludes", w.All)
	return m
}
