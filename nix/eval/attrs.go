package eval

import (
	"iter"
	"slices"
	"sort"
	"strings"
	"unsafe"

	"nix2gpu/nix/syntax"
)

// Attrs is an attribute set. Its names are sorted in byte order; its values may be
// thunks. Sets that the same place of a program makes share their shape. Each selection
// in a program remembers the shape in which it last found its name, and where, so that
// most selections cost one comparison.
type Attrs struct {
	n     int // of attributes
	shape *shape
	// The values follow, parallel to shape.names; see newSet.
}

// A shape is the part of a set that does not depend on the values.
type shape struct {
	names []string
	pos   []syntax.Pos // where each attribute is defined; nil when nowhere
	// index is built for a big shape once it has been searched often enough.
	index    map[string]int
	searches int
	bare     *shape // the same names without positions; made when first needed
	// missing, if set, gives the values of names that are not listed.
	missing Missing
}

// Missing returns the value of an attribute that a set does not list, or nil if it has
// none; pos is where a program asks for it.
type Missing func(t *Thread, name string, pos syntax.Pos) Value

// WithMissing returns an open-ended set: f is asked for an attribute that is not listed
// when a program selects it without `or`, or takes it by `with`. Everything else, such
// as `?` and attrNames, knows only the listed names. The result of // stays open-ended.
func (a *Attrs) WithMissing(f Missing) *Attrs {
	return setOf(&shape{names: a.shape.names, pos: a.shape.pos, missing: f}, a.vals())
}

// orMissing asks an open-ended set for a name that it does not list; nil if it has
// none.
func (t *Thread) orMissing(set *Attrs, name string, pos syntax.Pos) Value {
	if set.shape.missing == nil {
		return nil
	}
	return set.shape.missing(t, name, pos)
}

// newSet returns a set whose n values are to be set. It is a slice of n + 1 values: the head of
// the set stands where the first one would be, which has as many words, of which the second
// is a pointer, too.
func (s *slabs) newSet(sh *shape, n int) *Attrs { return headOf(s.newValues(n+1), sh) }

// headOf makes a set of a slice whose values are those of the set, but for the first.
func headOf(slots []Value, sh *shape) *Attrs {
	a := (*Attrs)(unsafe.Pointer(unsafe.SliceData(slots)))
	a.n, a.shape = len(slots)-1, sh
	return a
}

// setOf returns a set with copies of values.
func setOf(sh *shape, vals []Value) *Attrs {
	slots := make([]Value, len(vals)+1)
	copy(slots[1:], vals)
	return headOf(slots, sh)
}

// slot returns the slot of the value with index i, which must be less than the number of values.
func (a *Attrs) slot(i int) *Value {
	return (*Value)(unsafe.Add(unsafe.Pointer(a), unsafe.Sizeof(Attrs{})+uintptr(i)*slotSize))
}

// vals returns the values.
func (a *Attrs) vals() []Value {
	if a.n == 0 {
		return nil
	}
	return unsafe.Slice(a.slot(0), a.n)
}

var (
	emptyShape = &shape{}
	emptyAttrs = &Attrs{shape: emptyShape}
)

// find returns the index of name, or -1.
func (s *shape) find(name string) int {
	if len(s.names) <= 8 {
		for i, n := range s.names {
			if n == name {
				return i
			}
		}
		return -1
	}
	if s.index != nil {
		if i, found := s.index[name]; found {
			return i
		}
		return -1
	}
	if s.searches++; len(s.names) > 64 && s.searches > len(s.names)/4 {
		s.index = make(map[string]int, len(s.names))
		for i, n := range s.names {
			s.index[n] = i
		}
	}
	if i, found := slices.BinarySearch(s.names, name); found {
		return i
	}
	return -1
}

func (s *shape) posAt(i int) syntax.Pos {
	if s.pos == nil {
		return syntax.Pos{}
	}
	return s.pos[i]
}

// Type implements Value.
func (*Attrs) Type() Type { return TypeAttrs }

// Len returns the number of attributes.
func (a *Attrs) Len() int { return a.n }

// Get returns the value of an attribute, which may be a thunk.
func (a *Attrs) Get(name string) (v Value, found bool) {
	if i := a.shape.find(name); i >= 0 {
		return a.vals()[i], true
	}
	return nil, false
}

// Has reports whether there is an attribute of that name.
func (a *Attrs) Has(name string) bool { return a.shape.find(name) >= 0 }

// Pos returns where the attribute is defined; the zero Pos if there is none, or if it
// was computed.
func (a *Attrs) Pos(name string) syntax.Pos {
	if i := a.shape.find(name); i >= 0 {
		return a.shape.posAt(i)
	}
	return syntax.Pos{}
}

// Names returns the names in byte order. The caller must not change them.
func (a *Attrs) Names() []string { return a.shape.names }

// At returns the attribute with index i in the order of Names.
func (a *Attrs) At(i int) (name string, v Value, pos syntax.Pos) {
	return a.shape.names[i], a.vals()[i], a.shape.posAt(i)
}

// All yields all names, in order, with their values, which may be thunks.
func (a *Attrs) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for i, name := range a.shape.names {
			if !yield(name, a.vals()[i]) {
				return
			}
		}
	}
}

// withoutPlaces returns a's shape without positions: for a set of the same names whose
// attributes are not defined where those of a are.
func (a *Attrs) withoutPlaces() *shape {
	s := a.shape
	if s.pos != nil || s.missing != nil {
		if s.bare == nil {
			s.bare = &shape{names: s.names}
		}
		s = s.bare
	}
	return s
}

// Update returns a // b.
func (a *Attrs) Update(b *Attrs) *Attrs {
	switch {
	case b.n == 0:
		return a
	case a.n == 0:
		return b
	}
	n, i := a.n, 0 // of different names, and where b's next one would be in a
	for _, name := range b.shape.names {
		run, found := searchNames(a.shape.names[i:], name)
		if i += run; found {
			i++
		} else {
			n++
		}
	}
	if n == b.n && (b.shape.missing != nil || a.shape.missing == nil) {
		return setOf(b.shape, b.vals()) // another set: who prints both has no «repeated»
	}
	shared := n == a.n // the names
	if shared && a.shape.covers(b.shape) {
		out, i := setOf(a.shape, a.vals()), 0
		for j, name := range b.shape.names {
			run, _ := searchNames(a.shape.names[i:], name)
			i += run
			*out.slot(i) = *b.slot(j)
		}
		return out
	}
	out := &shape{missing: b.shape.missing}
	if out.missing == nil {
		out.missing = a.shape.missing
	}
	if !shared {
		out.names = make([]string, 0, n)
	}
	slots := make([]Value, 1, n+1) // see newSet
	if a.shape.pos != nil || b.shape.pos != nil {
		out.pos = make([]syntax.Pos, 0, n)
	}
	take := func(s *Attrs, from, to int) {
		if !shared {
			out.names = append(out.names, s.shape.names[from:to]...)
		}
		slots = append(slots, s.vals()[from:to]...)
		switch {
		case out.pos == nil:
		case s.shape.pos == nil:
			out.pos = out.pos[:len(slots)-1]
		default:
			out.pos = append(out.pos, s.shape.pos[from:to]...)
		}
	}
	i = 0
	for j, name := range b.shape.names { // a run of a's, then one of b's
		run, found := searchNames(a.shape.names[i:], name)
		take(a, i, i+run)
		take(b, j, j+1)
		if i += run; found {
			i++
		}
	}
	take(a, i, a.n)
	if shared {
		out.names = a.shape.names
	}
	return headOf(slots, out)
}

// covers reports whether s with the names of b, which it has, at the places that they have in
// b, is s.
func (s *shape) covers(b *shape) bool {
	if b.missing != nil || (s.pos == nil) != (b.pos == nil) {
		return false
	}
	if s.pos == nil {
		return true
	}
	i := 0
	for j, name := range b.names {
		run, _ := searchNames(s.names[i:], name)
		if i += run; s.pos[i] != b.pos[j] {
			return false
		}
	}
	return true
}

// searchNames returns where name is in sorted names. It looks at the first few one by
// one, since a merge mostly finds it there.
func searchNames(names []string, name string) (i int, found bool) {
	for i = range min(len(names), 4) {
		if c := strings.Compare(names[i], name); c >= 0 {
			return i, c == 0
		}
	}
	i = min(len(names), 4)
	k, found := slices.BinarySearch(names[i:], name)
	return i + k, found
}

// mergeShapes returns the shape of a // b, and for each of its names the index of the
// value: i in b, or -1-i in a.
func mergeShapes(a, b *shape) (out *shape, from []int32) {
	n := len(a.names) + len(b.names)
	out = &shape{names: make([]string, 0, n), missing: b.missing}
	if out.missing == nil {
		out.missing = a.missing
	}
	from = make([]int32, 0, n)
	if a.pos != nil || b.pos != nil {
		out.pos = make([]syntax.Pos, 0, n)
	}
	take := func(s *shape, i int, f int32) {
		out.names = append(out.names, s.names[i])
		from = append(from, f)
		if out.pos != nil {
			out.pos = append(out.pos, s.posAt(i))
		}
	}
	i, j := 0, 0
	for i < len(a.names) && j < len(b.names) {
		switch c := strings.Compare(a.names[i], b.names[j]); {
		case c < 0:
			take(a, i, int32(-1-i))
			i++
		case c > 0:
			take(b, j, int32(j))
			j++
		default:
			take(b, j, int32(j))
			i++
			j++
		}
	}
	for ; i < len(a.names); i++ {
		take(a, i, int32(-1-i))
	}
	for ; j < len(b.names); j++ {
		take(b, j, int32(j))
	}
	return out, from
}

// A merger knows how sets of two shapes are merged. As it gives the same shape each time, what
// is selected from the result is found where it was found before.
type merger struct {
	x, y *shape
	out  *shape
	from []int32
	isY  bool // the result is the second set
}

const (
	mergers   = 512 // how many are remembered
	maxMerged = 64  // and for how many attributes
)

// merger returns the one for two shapes, which is remembered until it makes room for another.
func (t *Thread) merger(x, y *shape) *merger {
	if t.mergers == nil {
		t.mergers = new([mergers]*merger)
	}
	hash := uintptr(unsafe.Pointer(x))>>4*31 + uintptr(unsafe.Pointer(y))>>4
	at := &t.mergers[(hash^hash>>9)%mergers]
	if m := *at; m != nil && m.x == x && m.y == y {
		return m
	}
	m := &merger{x: x, y: y}
	m.out, m.from = mergeShapes(x, y)
	switch len(m.from) {
	case len(y.names):
		m.isY = m.out.missing == nil || y.missing != nil
	case len(x.names):
		if x.covers(y) {
			m.out = x
		}
	}
	*at = m
	return m
}

func (m *merger) merge(t *Thread, a, b *Attrs) *Attrs {
	if m.isY {
		return setOf(b.shape, b.vals()) // another set, see Update
	}
	set := t.newSet(m.out, len(m.from))
	for k, f := range m.from {
		if f >= 0 {
			*set.slot(k) = *b.slot(int(f))
		} else {
			*set.slot(k) = *a.slot(int(-1 - f))
		}
	}
	return set
}

// filter returns the attributes whose index keep accepts.
func (a *Attrs) filter(keep func(i int) bool) *Attrs {
	kept := make([]int32, 0, a.n)
	for i := range a.n {
		if keep(i) {
			kept = append(kept, int32(i))
		}
	}
	switch len(kept) {
	case 0:
		return emptyAttrs
	case a.n:
		return a
	}
	s, vals := &shape{names: make([]string, len(kept))}, make([]Value, len(kept)+1) // see newSet
	if a.shape.pos != nil {
		s.pos = make([]syntax.Pos, len(kept))
	}
	for k, i := range kept {
		s.names[k], vals[k+1] = a.shape.names[i], *a.slot(int(i))
		if s.pos != nil {
			s.pos[k] = a.shape.pos[i]
		}
	}
	return headOf(vals, s)
}

// An AttrsBuilder collects the attributes of a new set.
type AttrsBuilder struct {
	attrs    []attr
	unsorted bool
	placed   bool
}

type attr struct {
	name string
	val  Value
	pos  syntax.Pos
}

// NewAttrs returns a builder for a set of about n attributes.
func NewAttrs(n int) *AttrsBuilder { return &AttrsBuilder{attrs: make([]attr, 0, n)} }

// Set adds an attribute. The last one of the same name counts.
func (b *AttrsBuilder) Set(name string, v Value) *AttrsBuilder {
	return b.add(name, v, syntax.Pos{})
}

// SetAt is Set for an attribute that is defined at pos.
func (b *AttrsBuilder) SetAt(name string, v Value, pos syntax.Pos) *AttrsBuilder {
	return b.add(name, v, pos)
}

// In line, at each of its 150 calls, it would make the program 78 KB bigger.
//
//go:noinline
func (b *AttrsBuilder) add(name string, v Value, pos syntax.Pos) *AttrsBuilder {
	if n := len(b.attrs); n > 0 && b.attrs[n-1].name >= name {
		b.unsorted = true
	}
	if pos.IsValid() {
		b.placed = true
	}
	b.attrs = append(b.attrs, attr{name, v, pos})
	return b
}

// Done returns the set. The builder must not be used again.
func (b *AttrsBuilder) Done() *Attrs {
	attrs := b.attrs
	if len(attrs) == 0 {
		return emptyAttrs
	}
	if b.unsorted {
		sort.SliceStable(attrs, func(i, j int) bool { return attrs[i].name < attrs[j].name })
		n := 0
		for i := range attrs { // of equal names keep the last
			if i+1 < len(attrs) && attrs[i+1].name == attrs[i].name {
				continue
			}
			attrs[n] = attrs[i]
			n++
		}
		attrs = attrs[:n]
	}
	s := &shape{names: make([]string, len(attrs))}
	if b.placed {
		s.pos = make([]syntax.Pos, len(attrs))
	}
	vals := make([]Value, len(attrs)+1) // see newSet
	for i, a := range attrs {
		s.names[i], vals[i+1] = a.name, a.val
		if b.placed {
			s.pos[i] = a.pos
		}
	}
	return headOf(vals, s)
}

// AttrsOf returns a set with the entries of a map.
func AttrsOf(m map[string]Value) *Attrs {
	b := NewAttrs(len(m))
	for name, v := range m {
		b.Set(name, v)
	}
	return b.Done()
}
