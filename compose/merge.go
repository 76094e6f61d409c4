package compose

import (
	"path"
	"slices"
	"strings"
)

// merge merges over into base as process-compose does with several -f: scalars
// override, maps merge, lists are appended, environments merge by name, and
// namespaces and paths are replaced.
func merge(base, over *node, key string) *node {
	if base == nil || base.kind == null {
		return over
	}
	if over == nil || over.kind == null {
		return base
	}
	switch {
	case base.kind == object && over.kind == object:
		out := &node{kind: object, pos: over.pos, fields: slices.Clone(base.fields)}
		for _, f := range over.fields {
			out.set(&field{key: f.key, pos: f.pos, value: merge(base.get(f.key), f.value, f.key)})
		}
		return out
	case base.kind == list && over.kind == list && key == "environment":
		return mergeEnvironment(base, over)
	case base.kind == list && over.kind == list && key != "namespace" && key != "paths":
		return &node{kind: list, pos: over.pos, items: slices.Concat(base.items, over.items)}
	}
	return over
}

// mergeEnvironment keeps the last value of each name.
func mergeEnvironment(base, over *node) *node {
	out := &node{kind: list, pos: over.pos}
	at := map[string]int{}
	for _, item := range slices.Concat(base.items, over.items) {
		name, _, _ := strings.Cut(item.text, "=")
		if i, ok := at[name]; ok && item.kind == scalar {
			out.items[i] = item
			continue
		}
		at[name] = len(out.items)
		out.items = append(out.items, item)
	}
	return out
}

// maxExtends is how many files, or processes, one may extend, each the next.
const maxExtends = 100

// extended merges root into the file that it extends. chain are the files on the way
// to root, in which that file must not be.
func (l *loader) extended(root *node, chain []string) *node {
	ext := root.get("extends")
	if ext == nil || ext.kind == null {
		return root
	}
	if ext.kind != scalar || ext.text == "" {
		l.fail(ext.pos, "extends must be the path of a file")
		return root
	}
	file := path.Join(path.Dir(ext.pos.File), ext.text)
	if path.IsAbs(ext.text) {
		file = path.Clean(ext.text)
	}
	if slices.Contains(chain, file) {
		l.failHint(ext.pos, "take one of them out", "extends is circular: %s", strings.Join(append(chain, file), " → "))
		return root
	}
	if len(chain) > maxExtends {
		l.failHint(ext.pos, "extend one of the first", "extends goes on from file to file more than %d times", maxExtends)
		return root
	}
	base := l.open(file, ext.pos)
	if base == nil {
		return root
	}
	base = l.extended(base, append(chain, file))
	rebase(base, path.Dir(file), path.Dir(ext.pos.File))
	return merge(base, root, "")
}

// rebase makes the relative working folders of an extended file relative to the
// extending one. A process without a working folder gets that of its own file.
func rebase(root *node, from, to string) {
	if from == to {
		return
	}
	processes := root.get("processes")
	if processes == nil {
		return
	}
	for _, f := range processes.fields {
		if f.value.kind != object {
			continue
		}
		wd := f.value.get("working_dir")
		switch {
		case wd == nil || wd.kind == null:
			f.value.set(&field{key: "working_dir", pos: f.pos, value: &node{kind: scalar, text: from, pos: f.pos}})
		case wd.kind == scalar && !path.IsAbs(wd.text):
			moved := *wd
			moved.text = path.Join(from, wd.text)
			f.value.set(&field{key: "working_dir", pos: wd.pos, value: &moved})
		}
	}
}

// inherited merges a process into the one that it extends, of the same project.
func (l *loader) inherited(processes *node, name string, chain []string) *node {
	own := processes.get(name)
	if own == nil || own.kind != object {
		return own
	}
	ext := own.get("extends")
	if ext == nil || ext.kind == null {
		return own
	}
	base := processes.get(ext.text)
	switch {
	case ext.kind != scalar || base == nil:
		l.failHint(ext.pos, "name a process of this file", "process %q extends %q, which does not exist", name, ext.text)
		return own
	case slices.Contains(chain, ext.text):
		chain = chain[slices.Index(chain, ext.text):]
		if !l.circular[ext.text] {
			l.failHint(ext.pos, "take one of them out", "extends is circular: %s", strings.Join(append(chain, ext.text), " → "))
		}
		for _, name := range chain {
			l.circular[name] = true
		}
		return own
	case len(chain) > maxExtends:
		l.failHint(ext.pos, "extend one of the first", "extends goes on from process to process more than %d times", maxExtends)
		return own
	}
	return merge(l.inherited(processes, ext.text, append(chain, ext.text)), own, "")
}
