package flake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flakeref"
)

// A LockFile is a flake.lock. Versions 5 to 7 are read, and version 7 is written.
type LockFile struct {
	Nodes   map[string]*LockedNode `json:"nodes"`
	Root    string                 `json:"root"`
	Version int                    `json:"version"`
}

// A LockedNode is an input, and of the node called Root the flake itself, which has inputs
// alone.
type LockedNode struct {
	Flake    *bool           `json:"flake,omitempty"` // nil is true
	Inputs   map[string]Edge `json:"inputs,omitempty"`
	Locked   flakeref.Ref    `json:"locked,omitempty"`
	Original flakeref.Ref    `json:"original,omitempty"`
	// Parent is the path of inputs to the flake in whose folder a relative path begins; nil
	// for any other reference.
	Parent []string `json:"parent,omitzero"`
}

// An Edge is what an input names: a node, or the path of inputs from the root that it
// follows. That is empty where it follows the root itself.
type Edge struct {
	Node    string
	Follows []string
}

func (e Edge) MarshalJSON() ([]byte, error) {
	if e.Node == "" {
		return json.Marshal(append([]string{}, e.Follows...)) // [] rather than null
	}
	return json.Marshal(e.Node)
}

func (e *Edge) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &e.Node) == nil {
		return nil
	}
	return json.Unmarshal(data, &e.Follows)
}

// Bytes returns the text of the file, as Nix writes it.
func (f *LockFile) Bytes() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(f) // it has maps, texts and numbers alone
	return b.Bytes()
}

// A lockNode is a node with its file. The zero value knows nothing.
type lockNode struct {
	file *LockFile
	node *LockedNode
	dir  string   // of the flake.lock
	at   []string // the path of inputs to the flake that has it
}

// readLock reads the flake.lock in dir, if there is one.
func readLock(t *eval.Thread, files eval.FS, dir string) lockNode {
	if files == nil {
		return lockNode{}
	}
	name := path.Join(dir, "flake.lock")
	data, err := files.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return lockNode{}
	}
	if err != nil {
		t.Throw("cannot read %s: %v", name, err)
	}
	var file LockFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Throw("%s is not a lock file: %v", name, err)
	}
	if file.Version < 5 || file.Version > 7 {
		t.Unsupported("%s has version %d; lock it again with a current Nix", name, file.Version)
	}
	root, ok := file.Nodes[file.Root]
	if !ok || root == nil {
		return lockNode{}
	}
	file.check(t, name)
	return lockNode{file: &file, node: root, dir: dir}
}

// maxInputs limits the inputs of a lock, each counted as often as a path leads to it: a
// small file can describe more than any machine holds.
const maxInputs = 10_000

// check rejects a lock whose inputs are too many, nest too deep, or lead back to themselves.
func (f *LockFile) check(t *eval.Thread, file string) {
	type size struct{ inputs, levels int } // below a node; levels is -1 while they are counted
	sizes := map[string]size{}
	var measure func(key string, depth int) size
	measure = func(key string, depth int) size {
		s, known := sizes[key]
		if depth+s.levels > maxDepth || s.levels < 0 {
			t.Throw("%s: inputs of inputs nest more than %d levels deep; does %q lead back to itself?", file, maxDepth, key)
		}
		if known {
			return s
		}
		sizes[key] = size{levels: -1}
		if node := f.Nodes[key]; node != nil {
			for _, name := range slices.Sorted(maps.Keys(node.Inputs)) {
				s.inputs++
				if edge := node.Inputs[name]; edge.Node != "" {
					below := measure(edge.Node, depth+1)
					s.inputs, s.levels = s.inputs+below.inputs, max(s.levels, below.levels+1)
				}
				s.inputs = min(s.inputs, maxInputs+1)
			}
		}
		sizes[key] = s
		return s
	}
	if measure(f.Root, 0).inputs > maxInputs {
		t.Throw("%s has more than %d inputs, counted with those of inputs; lock it again, with follows for what they share", file, maxInputs)
	}
}

// input returns the node of an input.
func (n lockNode) input(name string) (lockNode, bool) {
	if n.file == nil {
		return lockNode{}, false
	}
	steps := 0
	key, ok := n.resolve(n.node.Inputs[name], &steps)
	if !ok {
		return lockNode{}, false
	}
	node := n.file.Nodes[key]
	return lockNode{n.file, node, n.dir, n.at}, node != nil
}

// resolve returns the key of the node that an input names, either itself or by the path
// of the input that it follows. It counts the steps: what is followed may follow others.
func (n lockNode) resolve(e Edge, steps *int) (string, bool) {
	if e.Node != "" {
		return e.Node, true
	}
	if e.Follows == nil {
		return "", false
	}
	key := n.file.Root
	for _, step := range e.Follows {
		node := n.file.Nodes[key]
		if *steps++; node == nil || *steps > maxInputs {
			return "", false
		}
		var ok bool
		if key, ok = n.resolve(node.Inputs[step], steps); !ok {
			return "", false
		}
	}
	return key, true
}

// path returns the folder that the node is locked to, if it is locked to one. A
// relative path is relative to the flake that has the input.
func (n lockNode) path(dir string) (string, bool) {
	name := n.node.Locked.Text("path")
	if n.node.Locked.Type() != "path" || name == "" {
		return "", false
	}
	if path.IsAbs(name) {
		return path.Clean(name), true
	}
	return path.Join(dir, name), true
}
