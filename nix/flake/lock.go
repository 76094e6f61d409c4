package flake

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"

	"nix2gpu/nix/eval"
)

// A lockFile is the part of flake.lock that is about inputs that are local paths.
type lockFile struct {
	Version int                   `json:"version"`
	Root    string                `json:"root"`
	Nodes   map[string]lockedNode `json:"nodes"`
}

type lockedNode struct {
	// An input is the name of a node, or a path of inputs from the root.
	Inputs map[string]json.RawMessage `json:"inputs"`
	Locked struct {
		Type string `json:"type"`
		Path string `json:"path"`
	} `json:"locked"`
	Flake *bool `json:"flake"`
}

// A lockNode is a node with its file. The zero value knows nothing.
type lockNode struct {
	file *lockFile
	node lockedNode
	dir  string // of the flake.lock
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
	var file lockFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Throw("%s is not a lock file: %v", name, err)
	}
	if file.Version < 5 || file.Version > 7 {
		t.Unsupported("%s has version %d; lock it again with a current Nix", name, file.Version)
	}
	return lockNode{&file, file.Nodes[file.Root], dir}
}

// input returns the node of an input.
func (n lockNode) input(name string) (lockNode, bool) {
	if n.file == nil {
		return lockNode{}, false
	}
	key, ok := n.resolve(n.node.Inputs[name], 0)
	if !ok {
		return lockNode{}, false
	}
	node, ok := n.file.Nodes[key]
	return lockNode{n.file, node, n.dir}, ok
}

// resolve returns the key of the node that an input names, either itself or by the path
// of the input that it follows.
func (n lockNode) resolve(raw json.RawMessage, depth int) (string, bool) {
	var key string
	if json.Unmarshal(raw, &key) == nil {
		return key, true
	}
	var steps []string
	if depth > maxDepth || json.Unmarshal(raw, &steps) != nil || len(steps) == 0 {
		return "", false
	}
	key = n.file.Root
	for _, step := range steps {
		var ok bool
		if key, ok = n.resolve(n.file.Nodes[key].Inputs[step], depth+1); !ok {
			return "", false
		}
	}
	return key, true
}

// path returns the folder that the node is locked to, if it is locked to one. A
// relative path is relative to the flake that has the input.
func (n lockNode) path(dir string) (string, bool) {
	if n.node.Locked.Type != "path" || n.node.Locked.Path == "" {
		return "", false
	}
	if path.IsAbs(n.node.Locked.Path) {
		return path.Clean(n.node.Locked.Path), true
	}
	return path.Join(dir, n.node.Locked.Path), true
}
