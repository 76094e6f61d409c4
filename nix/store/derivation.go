package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Derivation says how outputs are built.
type Derivation struct {
	Name    string
	Outputs map[string]Output
	Sources []string // paths that it needs, which are no outputs
	// Inputs are the outputs that it needs of other derivations, by the paths of these.
	Inputs            map[string][]string
	Platform, Builder string
	Args              []string
	Env               map[string]string

	kind   hashKind
	hashes map[string]string // in base 16, by output; see hashFor
}

// An Output is what a derivation makes.
type Output struct {
	Path   string // empty: it is known once it is built
	Method Method // of the hash
	Kind   string // of the hash; empty: the path follows from the derivation
	Hash   []byte // nil: it is known once it is built
}

type hashKind int

const (
	unhashed hashKind = iota
	hashed
	deferred // the hashes say nothing of paths that are known only after a build
)

// Derivations are those of an evaluation, by their paths. The zero value is ready to
// use.
type Derivations struct {
	all   map[string]*Derivation
	texts map[string][]string // what each text refers to that refers to anything
}

// Refer says what a text refers to, which may be an input.
func (ds *Derivations) Refer(path string, references []string) {
	if len(references) == 0 {
		return
	}
	if ds.texts == nil {
		ds.texts = map[string][]string{}
	}
	ds.texts[path] = references
}

// Get returns a derivation.
func (ds *Derivations) Get(path string) (*Derivation, bool) {
	d, found := ds.all[path]
	return d, found
}

// Closure returns the path of a derivation and all paths that its file refers to, also
// through others.
func (ds *Derivations) Closure(path string) []string {
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		references := ds.texts[path]
		if d := ds.all[path]; d != nil {
			references = d.references()
		}
		for _, ref := range references {
			visit(ref)
		}
	}
	visit(path)
	return slices.Sorted(maps.Keys(seen))
}

// Add completes a derivation: it works out the paths of the outputs that have none and
// whose content is not hashed, sets the variables that have their names, and returns the
// path of the derivation's file. All inputs must have been added.
func (ds *Derivations) Add(d *Derivation) (path string, err error) {
	for out, o := range d.Outputs {
		switch {
		case o.Hash != nil:
			o.Path = FixedPath(outputName(d.Name, out), o.Method, Hash{o.Kind, o.Hash})
			d.Outputs[out] = o
			d.Env[out] = o.Path
		case o.Kind != "":
			d.Env[out] = Placeholder(out)
		default:
			d.Env[out] = ""
		}
	}
	if err := ds.hashFor(d, true); err != nil {
		return "", err
	}
	if d.kind == hashed {
		for out, o := range d.Outputs {
			if o.Kind != "" {
				continue
			}
			sum, _ := ParseHash("sha256", d.hashes[out])
			o.Path = makePath("output:"+out, sum, outputName(d.Name, out))
			d.Outputs[out] = o
			d.Env[out] = o.Path
		}
	}
	// What others hash of it is with the paths, so it is worked out anew.
	if err := ds.hashFor(d, false); err != nil {
		return "", err
	}
	path = TextPath(d.Name+".drv", d.String(), d.references())
	if ds.all == nil {
		ds.all = map[string]*Derivation{}
	}
	ds.all[path] = d
	return path, nil
}

// PathOf returns the path of an output, or, while that is not known, the text that stands
// for it.
func (ds *Derivations) PathOf(drv, output string) string {
	if d := ds.all[drv]; d != nil && d.Outputs[output].Path != "" {
		return d.Outputs[output].Path
	}
	return downstream(drv, output)
}

// references returns what the file of a derivation refers to.
func (d *Derivation) references() []string {
	return append(slices.Collect(maps.Keys(d.Inputs)), d.Sources...)
}

// hashFor works out the hashes by which outputs are told apart. In that of a derivation,
// each input stands with its own hashes in place of its path, so what was fetched some
// other way, and is the same, changes nothing. With mask set, the paths of outputs are
// left out.
func (ds *Derivations) hashFor(d *Derivation, mask bool) error {
	d.kind, d.hashes = hashed, map[string]string{}
	for _, o := range d.Outputs {
		if o.Kind != "" && o.Hash == nil {
			d.kind = deferred
		}
	}
	if o, ok := d.Outputs["out"]; ok && o.Hash != nil {
		d.hashes["out"] = HashText("sha256", "fixed:out:"+string(o.Method)+o.Kind+":"+Hash{o.Kind, o.Hash}.Base16()+":"+o.Path).Base16()
		return nil
	}
	inputs := map[string][]string{}
	for path, outs := range d.Inputs {
		in := ds.all[path]
		if in == nil {
			return fmt.Errorf("the derivation %q is not known in this evaluation", path)
		}
		if in.kind == deferred {
			d.kind = deferred
		}
		for _, out := range outs {
			sum, ok := in.hashes[out]
			if !ok {
				return fmt.Errorf("the derivation %q has no output %q", path, out)
			}
			inputs[sum] = append(inputs[sum], out)
		}
	}
	sum := HashText("sha256", d.text(mask, inputs)).Base16()
	for out := range d.Outputs {
		d.hashes[out] = sum
	}
	return nil
}

// String returns the derivation's file.
func (d *Derivation) String() string { return d.text(false, d.Inputs) }

// text returns the file with other inputs. With mask set, the paths of outputs are left
// out, also in the environment.
func (d *Derivation) text(mask bool, inputs map[string][]string) string {
	var b strings.Builder
	b.WriteString("Derive(")
	outputs := slices.Sorted(maps.Keys(d.Outputs))
	list(&b, outputs, func(out string) {
		o := d.Outputs[out]
		path, kind := o.Path, ""
		if mask {
			path = ""
		}
		if o.Kind != "" {
			kind = string(o.Method) + o.Kind
		}
		tuple(&b, out, path, kind, Hash{o.Kind, o.Hash}.Base16())
	})
	b.WriteByte(',')
	list(&b, slices.Sorted(maps.Keys(inputs)), func(path string) {
		b.WriteByte('(')
		quote(&b, path)
		b.WriteByte(',')
		texts(&b, slices.Compact(slices.Sorted(slices.Values(inputs[path]))))
		b.WriteByte(')')
	})
	b.WriteByte(',')
	texts(&b, slices.Compact(slices.Sorted(slices.Values(d.Sources))))
	b.WriteString(`,"` + d.Platform + `",`) // Nix does not escape it
	quote(&b, d.Builder)
	b.WriteByte(',')
	texts(&b, d.Args)
	b.WriteByte(',')
	list(&b, slices.Sorted(maps.Keys(d.Env)), func(name string) {
		value := d.Env[name]
		if _, isOutput := d.Outputs[name]; isOutput && mask {
			value = ""
		}
		tuple(&b, name, value)
	})
	b.WriteByte(')')
	return b.String()
}

func list(b *strings.Builder, elems []string, write func(string)) {
	b.WriteByte('[')
	for i, e := range elems {
		if i > 0 {
			b.WriteByte(',')
		}
		write(e)
	}
	b.WriteByte(']')
}

func texts(b *strings.Builder, elems []string) { list(b, elems, func(e string) { quote(b, e) }) }

func tuple(b *strings.Builder, elems ...string) {
	for i, e := range elems {
		b.WriteByte("(,"[min(i, 1)])
		quote(b, e)
	}
	b.WriteByte(')')
}

var escapes = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

func quote(b *strings.Builder, text string) {
	b.WriteByte('"')
	_, _ = escapes.WriteString(b, text)
	b.WriteByte('"')
}
