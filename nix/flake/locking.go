package flake

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flakeref"
	"nix2gpu/nix/syntax"
)

// LockOptions tunes [Lock].
type LockOptions struct {
	FS eval.FS
	// Update reports whether the input at a path of names is looked up anew, although it is
	// locked and flake.nix says the same as then; nil: none is.
	Update func(input []string) bool
	// Fetch gets what a reference means that is no folder of this machine; plain says that it
	// need not be a flake. nil: nothing can be fetched.
	Fetch func(ref flakeref.Ref, plain bool) (Fetched, error)
	// BuiltIn reports whether a flake of that name needs no lock where nothing can be
	// fetched; nil: none does.
	BuiltIn func(name string) bool
}

// Fetched is what has been fetched: what it is locked to, and where it is on this machine.
type Fetched struct {
	Locked flakeref.Ref
	Dir    string
}

// A Locking is what [Lock] has found.
type Locking struct {
	File    *LockFile
	Old     *LockFile // what was there before; nil: nothing
	BuiltIn []string  // paths of inputs that are not looked up, since they are built in; sorted
}

// Lock works out the lock file of the flake in dir, as "nix flake lock" does: what is
// locked stays as long as flake.nix says the same of it.
func Lock(t *eval.Thread, dir string, opts LockOptions) *Locking {
	old := readLock(t, opts.FS, dir)
	k := &locker{opts: opts, overrides: map[string]override{}, out: &Locking{Old: old.file}}
	root := &pin{inputs: map[string]link{}}
	k.inputs(t, k.read(t, dir), root, nil, old, dir, 0)
	for _, f := range k.follows {
		if !k.isThere(root, f.follows, maxDepth) {
			t.Fail(f.pos, "input %q follows %q, which is not an input; name one of the inputs that flake.nix has, or one of theirs as INPUT/NAME",
				strings.Join(f.at, "/"), strings.Join(f.follows, "/"))
		}
	}
	k.out.File = dump(root)
	slices.Sort(k.out.BuiltIn)
	return k.out
}

// Changes says how a lock file differs from the one before, a line for each input.
func (l *Locking) Changes() (lines []string) {
	before, after := map[string]string{}, l.File.flat()
	if l.Old != nil {
		before = l.Old.flat()
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch was, ok := before[name]; {
		case !ok:
			lines = append(lines, "added "+name+": "+after[name])
		case was != after[name]:
			lines = append(lines, "changed "+name+": "+was+" is now "+after[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			lines = append(lines, "removed "+name)
		}
	}
	return lines
}

// flat returns what each input is locked to or follows, by its path.
func (f *LockFile) flat() map[string]string {
	out := map[string]string{}
	f.Walk(func(input []string, node *LockedNode, follows []string) {
		if node == nil {
			out[strings.Join(input, "/")] = "follows " + cmp.Or(strings.Join(follows, "/"), "the flake itself")
		} else {
			out[strings.Join(input, "/")] = node.Locked.String()
		}
	})
	return out
}

// Walk calls visit for each input, those of an input behind it, by names. Of one that
// follows another, node is nil.
func (f *LockFile) Walk(visit func(input []string, node *LockedNode, follows []string)) {
	var walk func(node *LockedNode, prefix []string)
	walk = func(node *LockedNode, prefix []string) {
		if node == nil || len(prefix) > maxDepth {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(node.Inputs)) {
			input, edge := slices.Concat(prefix, []string{name}), node.Inputs[name]
			if edge.Node == "" {
				visit(input, nil, edge.Follows)
			} else if below := f.Nodes[edge.Node]; below != nil {
				visit(input, below, nil)
				walk(below, input)
			}
		}
	}
	walk(f.Nodes[f.Root], nil)
}

// A pin is an input that is locked.
type pin struct {
	LockedNode
	inputs map[string]link
}

// A link is what an input names.
type link struct {
	to      *pin
	follows []string // the path of inputs from the root, when to is nil
}

// An override is what a flake says of an input of its input.
type override struct {
	spec
	dir string   // of the flake that says so; "" if it is not on this machine
	by  []string // the path of inputs to it
}

type locker struct {
	opts      LockOptions
	overrides map[string]override // by path
	follows   []following         // those that flakes on this machine declare
	out       *Locking
}

// A following is an input that stands for another one.
type following struct {
	at, follows []string // paths of inputs from the root
	pos         syntax.Pos
}

// isThere reports whether a path of inputs leads to one. Through an input that is built in it
// may lead anywhere.
func (k *locker) isThere(root *pin, input []string, steps int) bool {
	at := root
	for i, name := range input {
		l, ok := at.inputs[name]
		switch {
		case !ok:
			return slices.Contains(k.out.BuiltIn, strings.Join(input[:i+1], "/"))
		case l.to != nil:
			at = l.to
		case steps == 0:
			return true // a circle, which is an error where it is evaluated
		default:
			return k.isThere(root, slices.Concat(l.follows, input[i+1:]), steps-1)
		}
	}
	return true
}

// read returns the inputs of the flake in a folder.
func (k *locker) read(t *eval.Thread, dir string) map[string]spec {
	file := path.Join(dir, "flake.nix")
	set, ok := t.Force(t.EvalFile(file, nil)).(*eval.Attrs)
	if !ok {
		t.Throw("%s must be a set with outputs", file)
	}
	for i := range set.Len() {
		if name, _, pos := set.At(i); !slices.Contains([]string{"description", "inputs", "outputs", "nixConfig"}, name) {
			t.Fail(pos, "a flake has no attribute %q; there are description, inputs, outputs and nixConfig", name)
		}
	}
	return inputsOf(t, set, dir)
}

// declare notes what a flake says of the inputs of its inputs. What is noted first counts:
// it is from further outside.
func (k *locker) declare(specs map[string]spec, prefix []string, dir string, by []string) {
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		at := slices.Concat(prefix, []string{name})
		for below, s := range specs[name].inputs {
			key := strings.Join(slices.Concat(at, []string{below}), "/")
			if _, ok := k.overrides[key]; !ok && s.says() {
				k.overrides[key] = override{s, dir, by}
			}
		}
		k.declare(specs[name].inputs, at, dir, by)
	}
}

// inputs locks the inputs of a flake: into is its node, prefix the path of inputs to it,
// old what was locked for it, and dir where it is.
func (k *locker) inputs(t *eval.Thread, specs map[string]spec, into *pin, prefix []string, old lockNode, dir string, depth int) {
	if depth > maxDepth {
		t.Throw("inputs of inputs nest more than %d levels deep; does %s lead back to a flake above it?", maxDepth, strings.Join(prefix, "/"))
	}
	k.declare(specs, prefix, dir, prefix)
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		at := slices.Concat(prefix, []string{name})
		o, ok := k.overrides[strings.Join(at, "/")]
		if !ok {
			o = override{specs[name], dir, prefix}
		}
		o.noFlake = specs[name].noFlake // which an override does not change
		if o.follows != nil {
			into.inputs[name] = link{follows: slices.Concat(o.by, o.follows)}
			k.follows = append(k.follows, following{at, into.inputs[name].follows, o.pos})
			continue
		}
		if to := k.input(t, o, at, name, old, depth, true); to != nil {
			into.inputs[name] = link{to: to}
		}
	}
}

// input locks one input, which a flake.nix has, or a lock alone. It is nil for one that needs
// no lock.
func (k *locker) input(t *eval.Thread, o override, at []string, name string, old lockNode, depth int, declared bool) *pin {
	ref, err := o.ref()
	if err != nil {
		t.Fail(o.pos, "input %q: %v; write path:./…, github:owner/repo or another reference", name, err)
	}
	to := &pin{LockedNode: LockedNode{Original: ref}, inputs: map[string]link{}}
	if o.noFlake {
		no := false
		to.Flake = &no
	}
	relative := ref.Type() == "path" && !path.IsAbs(ref.Text("path"))
	if relative {
		to.Parent = append([]string{}, o.by...) // not nil for the root
	}
	var before lockNode
	known := false
	if old.file != nil && old.node.Inputs[name].Node != "" {
		before, known = old.input(name)
	}
	updated := k.opts.Update != nil && k.opts.Update(at)
	same := known && ref.Equal(before.node.Original) && slices.Equal(before.node.Parent, to.Parent) &&
		(before.node.Flake == nil || *before.node.Flake) == !o.noFlake
	keep := func() *pin {
		to.Locked = before.node.Locked
		dir, here := before.path(o.dir)
		if !here {
			dir, _ = inStore(k.opts.FS, to.Locked)
		}
		if declared && !o.noFlake && k.mayFollow(at, before.node) {
			below := path.Join(dir, to.Locked.Text("dir"))
			if _, err := k.opts.FS.Stat(path.Join(below, "flake.nix")); dir != "" && err == nil {
				if specs := k.read(t, below); !k.followsStill(at, before, specs) {
					k.inputs(t, specs, to, at, before, below, depth+1)
					return to
				}
			}
		}
		k.kept(t, to, at, before, dir, depth+1)
		return to
	}
	if same && !updated && (!relative || o.dir == "") && (o.noFlake || !k.overridesMore(at, before.node)) {
		return keep()
	}
	found, ok := k.find(t, o, ref, at)
	if !ok {
		k.out.BuiltIn = append(k.out.BuiltIn, strings.Join(at, "/"))
		if same { // Nix may need it
			return keep()
		}
		return nil
	}
	to.Locked = found.Locked
	if o.noFlake {
		return to
	}
	dir := path.Join(found.Dir, ref.Text("dir"))
	if !known || updated { // what is looked up anew has its own lock for what is below
		before = readLock(t, k.opts.FS, dir)
		before.at = at
	}
	t.Annotate(o.pos, "while locking the flake input '"+strings.Join(at, "/")+"'", func() {
		k.inputs(t, k.read(t, dir), to, at, before, dir, depth+1)
	})
	return to
}

// overridesMore reports whether something is said of an input below at that the lock does
// not know.
func (k *locker) overridesMore(at []string, node *LockedNode) bool {
	prefix := strings.Join(at, "/") + "/"
	for key := range k.overrides {
		if name, ok := strings.CutPrefix(key, prefix); ok && !strings.Contains(name, "/") {
			if _, known := node.Inputs[name]; !known {
				return true
			}
		}
	}
	return false
}

// mayFollow reports whether the lock has an input below at that follows another, and no flake
// above that one says so.
func (k *locker) mayFollow(at []string, node *LockedNode) bool {
	for name, edge := range node.Inputs {
		if _, ok := k.overrides[strings.Join(slices.Concat(at, []string{name}), "/")]; edge.Node == "" && !ok {
			return true
		}
	}
	return false
}

// followsStill reports whether each of these follows what the flake itself, with its specs,
// says.
func (k *locker) followsStill(at []string, before lockNode, specs map[string]spec) bool {
	for name, edge := range before.node.Inputs {
		if _, ok := k.overrides[strings.Join(slices.Concat(at, []string{name}), "/")]; edge.Node != "" || ok {
			continue
		}
		s := specs[name]
		if s.follows == nil || !slices.Equal(slices.Concat(at, s.follows), slices.Concat(before.at, edge.Follows)) {
			return false
		}
	}
	return true
}

// kept takes over the inputs of an input that stays as it is.
func (k *locker) kept(t *eval.Thread, to *pin, at []string, before lockNode, dir string, depth int) {
	specs := map[string]spec{}
	for name, edge := range before.node.Inputs {
		s := spec{name: name, follows: edge.Follows}
		if node := before.file.Nodes[edge.Node]; node != nil {
			s.attrs, s.noFlake = node.Original, node.Flake != nil && !*node.Flake
		}
		specs[name] = s
	}
	if len(specs) == 0 {
		return
	}
	if depth > maxDepth {
		t.Throw("inputs of inputs nest more than %d levels deep in flake.lock; does %s lead back to an input above it?", maxDepth, strings.Join(at, "/"))
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		below := slices.Concat(at, []string{name})
		o, ok := k.overrides[strings.Join(below, "/")]
		switch {
		case !ok && specs[name].follows != nil:
			to.inputs[name] = link{follows: slices.Concat(before.at, before.node.Inputs[name].Follows)}
			continue
		case !ok:
			o = override{specs[name], dir, at}
		case o.follows != nil:
			to.inputs[name] = link{follows: slices.Concat(o.by, o.follows)}
			continue
		}
		o.noFlake = specs[name].noFlake
		if child := k.input(t, o, below, name, before, depth, false); child != nil {
			to.inputs[name] = link{to: child}
		}
	}
}

// find looks an input up. ok is false for one that is built in and can't be fetched.
func (k *locker) find(t *eval.Thread, o override, ref flakeref.Ref, at []string) (found Fetched, ok bool) {
	if name := ref.Text("path"); ref.Type() == "path" {
		if !path.IsAbs(name) {
			return Fetched{ref, path.Join(o.dir, name)}, true
		}
		if _, err := k.opts.FS.Stat(name); err != nil {
			t.Annotate(o.pos, "while looking for the flake input '"+strings.Join(at, "/")+"'", func() { t.FailFile(name, err) })
		}
		locked := maps.Clone(ref)
		locked["narHash"], locked["lastModified"] = hashOf(t, k.opts.FS, name), modifiedIn(t, k.opts.FS, name)
		return Fetched{locked, name}, true
	}
	if k.opts.Fetch != nil {
		found, err := k.opts.Fetch(ref, o.noFlake)
		if err != nil {
			t.Raise(&eval.Error{Pos: o.pos, Kind: eval.KindUnsupported, Msg: "cannot fetch " + ref.String() + " for input " + strconv.Quote(strings.Join(at, "/")) + ": " + err.Error()})
		}
		return found, true
	}
	if k.opts.BuiltIn != nil && !o.noFlake && (k.opts.BuiltIn(o.name) || k.opts.BuiltIn(repository(ref.String()))) {
		return Fetched{}, false
	}
	t.Raise(&eval.Error{Pos: o.pos, Kind: eval.KindUnsupported,
		Msg:  "not supported: locking " + ref.String() + " for input " + strconv.Quote(strings.Join(at, "/")) + " without fetching it",
		Hint: "--fetch lets the nix of this machine do that; or check it out, and write inputs." + syntax.QuoteName(o.name) + ".url = \"path:./…\""})
	return Fetched{}, false
}

// dump makes the file of what is locked. Nodes are called after their inputs, and numbered
// where the name is taken, in the order in which Nix does so.
func dump(root *pin) *LockFile {
	file := &LockFile{Version: 7, Root: "root", Nodes: map[string]*LockedNode{}}
	var add func(name string, p *pin) string
	add = func(name string, p *pin) string {
		key := name
		for n := 2; file.Nodes[key] != nil; n++ {
			key = name + "_" + strconv.Itoa(n)
		}
		node := p.LockedNode
		file.Nodes[key] = &node
		for _, name := range slices.Sorted(maps.Keys(p.inputs)) {
			if node.Inputs == nil {
				node.Inputs = map[string]Edge{}
			}
			if l := p.inputs[name]; l.to != nil {
				node.Inputs[name] = Edge{Node: add(name, l.to)}
			} else {
				node.Inputs[name] = Edge{Follows: l.follows}
			}
		}
		return key
	}
	add(file.Root, root)
	return file
}
