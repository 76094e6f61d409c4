package eval

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A filteredSource is a source that stays where it is. Its filter is only called for who
// copies it: see [Thread.LeftOut].
type filteredSource struct {
	root   string
	filter func(path string, mode fs.FileMode) bool
}

// filtered is the kind of the context element of such a source; its index stands behind.
const filtered = "filtered"

func (t *Thread) sourceInPlace(root string, filter func(string, fs.FileMode) bool) *String {
	s := t.sourceString(Path(root), t.Pos())
	element := filtered + ":" + strconv.Itoa(len(t.ev.filtered))
	t.ev.filtered = append(t.ev.filtered, filteredSource{root, filter})
	return StrContext(s.s, s.ctx.Union(NewContext(element)))
}

// LeftOut returns what filters leave out of the source at file, a path of a string with
// this context: paths below file, sorted, none of them below another. It is "." if file
// itself is left out.
func (t *Thread) LeftOut(file string, context []string) (left []string) {
	file = path.Clean(file)
	for _, element := range context {
		kind, index, _ := strings.Cut(element, ":")
		if kind != filtered {
			continue
		}
		n, err := strconv.Atoi(index)
		if err != nil || n < 0 || n >= len(t.ev.filtered) {
			continue // appendContext made it
		}
		s := t.ev.filtered[n]
		below, ok := strings.CutPrefix(file+"/", strings.TrimSuffix(s.root, "/")+"/")
		if !ok {
			continue
		}
		if !t.takes(s, strings.TrimSuffix(below, "/")) {
			return []string{"."}
		}
		left = t.leftBelow(s, file, "", left)
	}
	slices.Sort(left)
	return slices.Compact(left)
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
			t.FailFile(at, err)
		}
		if !s.filter(at, info.Mode()) {
			return false
		}
	}
	return true
}

func (t *Thread) leftBelow(s filteredSource, root, below string, left []string) []string {
	dir := path.Join(root, below)
	info, err := t.files().Lstat(dir)
	if err != nil {
		t.FailFile(dir, err)
	}
	if !info.IsDir() {
		return left
	}
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
