package eval

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A filteredSource is a source that stays where it is. Its filter is only called for who
// reads it during the evaluation, or copies it: see [Thread.LeftOut].
type filteredSource struct {
	root   string
	filter func(path string, mode fs.FileMode) bool
}

// filtered is the kind of the context element of such a source; its index stands behind.
const filtered = "filtered"

// sourceInPlace returns the source at root. The filters of given, which named it, count as
// well as its own, which may be nil.
func (t *Thread) sourceInPlace(root string, filter func(string, fs.FileMode) bool, given Value) *String {
	s := t.sourceString(Path(root), t.Pos())
	_, ctx := t.pathText(given)
	elements := slices.DeleteFunc(slices.Clone(ctx.Elems()), func(e string) bool { return !isFiltered(e) })
	if filter != nil {
		elements = append(elements, filtered+":"+strconv.Itoa(len(t.ev.filtered)))
		t.ev.filtered = append(t.ev.filtered, filteredSource{root, filter})
	}
	if len(elements) == 0 {
		return s
	}
	return StrContext(s.s, s.ctx.Union(NewContext(elements...)))
}

func isFiltered(element string) bool { return strings.HasPrefix(element, filtered+":") }

// filtersOf returns the filtered sources that a context names and file is in, with the
// path of file in each.
func (t *Thread) filtersOf(file string, context []string) (sources []filteredSource, below []string) {
	for _, element := range context {
		if !isFiltered(element) {
			continue
		}
		n, err := strconv.Atoi(element[len(filtered)+1:])
		if err != nil || n < 0 || n >= len(t.ev.filtered) {
			continue // appendContext made it
		}
		s := t.ev.filtered[n]
		if sub, ok := strings.CutPrefix(file+"/", strings.TrimSuffix(s.root, "/")+"/"); ok {
			sources, below = append(sources, s), append(below, strings.TrimSuffix(sub, "/"))
		}
	}
	return sources, below
}

// isLeftOut reports whether a filter leaves out a file, which was named by a string with
// this context.
func (t *Thread) isLeftOut(file string, ctx *Context) bool {
	sources, below := t.filtersOf(file, ctx.Elems())
	for i, s := range sources {
		if !t.takes(s, below[i]) {
			return true
		}
	}
	return false
}

// LeftOut returns what filters leave out of the source at file, a path of a string with
// this context: paths below file, sorted, none of them below another. It is "." if file
// itself is left out. A text without a context that names such a source has lost its
// filters on the way; since they can't be told any more, that fails if one leaves anything out.
func (t *Thread) LeftOut(file string, context []string) (left []string) {
	file = path.Clean(file)
	if len(context) > 0 {
		return t.leftOut(file, context)
	}
	for i := range t.ev.filtered {
		if len(t.leftOut(file, []string{filtered + ":" + strconv.Itoa(i)})) > 0 {
			t.Throw("%s is the text of a source whose filter would leave files out, and has lost that filter; name the source itself, without builtins.unsafeDiscardStringContext",
				t.ev.opts.DisplayPath(file))
		}
	}
	return nil
}

func (t *Thread) leftOut(file string, context []string) (left []string) {
	sources, below := t.filtersOf(file, context)
	for i, s := range sources {
		if !t.takes(s, below[i]) {
			return []string{"."}
		}
		if info, err := t.files().Stat(file); err != nil {
			t.FailFile(file, err)
		} else if info.IsDir() { // or a link to one, whose content is copied
			left = t.leftBelow(s, file, "", left)
		}
	}
	slices.Sort(left)
	left = slices.Compact(left)
	// One filter may leave out a folder, and another a file in it.
	return slices.DeleteFunc(slices.Clone(left), func(name string) bool {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, found := slices.BinarySearch(left, dir); found {
				return true
			}
		}
		return false
	})
}

// takes reports whether the filter of s takes a path below its root, and the folders on
// the way there.
func (t *Thread) takes(s filteredSource, below string) bool {
	at := s.root
	for step := range strings.SplitSeq(below, "/") {
		if step == "" {
			continue
		}
		at = path.Join(at, step)
		info, err := t.files().Lstat(at)
		if err != nil {
			return true // whoever reads it will say so
		}
		if !s.filter(at, info.Mode()) {
			return false
		}
	}
	return true
}

// leftBelow appends what the filter of s leaves out of a folder: below root, as far as
// below says.
func (t *Thread) leftBelow(s filteredSource, root, below string, left []string) []string {
	dir := path.Join(root, below)
	entries, err := t.files().ReadDir(dir)
	if err != nil {
		t.FailFile(dir, err)
	}
	for _, e := range entries {
		name := path.Join(below, e.Name())
		switch {
		case !s.filter(path.Join(root, name), e.Type()):
			left = append(left, name)
		case e.IsDir():
			left = t.leftBelow(s, root, name, left)
		}
	}
	return left
}
