package image

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"nix2gpu/project"
	"nix2gpu/secret"
)

// shippedDir has the encrypted files of secrets. They are not in the working directory,
// because a volume mounted there would hide them.
const shippedDir = "etc/nix2gpu/secrets"

// encrypted returns the encrypted files of secrets. The image has them unchanged; the
// identity that decrypts them is given to the container.
func (b *builder) encrypted() ([]*node, error) {
	var nodes []*node
	var wrong project.Errors
	for _, name := range slices.Sorted(maps.Keys(b.project.Secrets)) {
		s := b.project.Secrets[name]
		if !s.Ships() {
			continue
		}
		path, ok := below(b.spec.Root, s.Age)
		if !ok {
			wrong = append(wrong, &project.Error{Pos: s.Pos, Msg: fmt.Sprintf("not supported: the encrypted file %s of secret %q is known only once the container runs", s.Age, name)})
			continue
		}
		data, err := secret.ReadEncrypted(path)
		if err != nil {
			e := &project.Error{Pos: s.Pos, Msg: fmt.Sprintf("secret %q: %v", name, err)}
			if known, ok := errors.AsType[*secret.Error](err); ok {
				e.Msg, e.Hint = fmt.Sprintf("secret %q: %s", name, known.Msg), known.Hint
			}
			wrong = append(wrong, e)
			continue
		}
		nodes = append(nodes, file(shippedDir+"/"+name+".age", string(data)))
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return nodes, nil
}

// below returns the path on this machine of a text that is a path below the definition's
// folder.
func below(root string, t project.Text) (string, bool) {
	if len(t) == 0 || t[0].Root == nil {
		return "", false
	}
	path := root + *t[0].Root
	for _, part := range t[1:] {
		if !part.IsLiteral() {
			return "", false
		}
		path += part.Literal
	}
	return filepath.Clean(path), true
}

// kept holds the paths of files that no image may have: secrets, and keys that decrypt
// them.
type kept struct {
	sources    map[string]string // path on this machine: the secret that is read from it
	identities map[string]string // path in the container: the secret that it decrypts
	plain      []string          // paths on this machine that hold secrets as text
}

func keptOf(p *project.Project, root string, plain []string) kept {
	k := kept{map[string]string{}, map[string]string{}, plain}
	for name, s := range p.Secrets {
		if path, ok := below(root, s.File); ok {
			k.sources[path] = name
		}
		for _, id := range s.Identities {
			if path, ok := id.Literal(); ok {
				k.identities[filepath.Clean(path)] = name
			}
		}
	}
	return k
}

// refuse returns why a file must not be copied from the path from to name; nil if it
// may.
func (k kept) refuse(from, name string) error {
	if s, ok := k.sources[from]; ok {
		return fmt.Errorf("%q is the secret %q, for whoever gets the image\nhint: leave it out, and mount it", "/"+name, s)
	}
	if slices.Contains(k.plain, from) {
		return fmt.Errorf("%q holds secrets in plain text, for whoever gets the image\nhint: leave it out, or name secrets in their place", "/"+name)
	}
	if s, ok := k.identities["/"+name]; ok {
		return fmt.Errorf("%q decrypts the secret %q, which would be inside the image beside it\nhint: leave it out, and mount it", "/"+name, s)
	}
	return nil
}

// An identityFinder looks for age identities in what is written to it.
type identityFinder struct {
	rest  []byte
	found bool
}

// longest is more than the length of an identity, in bytes.
const longest = 128

func (f *identityFinder) Write(p []byte) (int, error) {
	if f.found {
		return len(p), nil
	}
	// An identity may begin in the last piece and end in this one.
	f.rest = append(f.rest, p[:min(len(p), longest)]...)
	f.found = holdsIdentity(f.rest) || holdsIdentity(p)
	if len(p) >= longest {
		f.rest = append(f.rest[:0], p[len(p)-longest:]...)
	} else {
		f.rest = append(f.rest[:0], f.rest[max(0, len(f.rest)-longest):]...)
	}
	return len(p), nil
}

func holdsIdentity(p []byte) bool {
	return bytes.Contains(p, []byte("AGE-SECRET-KEY-")) && secret.HoldsIdentity(p)
}

// identityInside returns the error for something that holds an identity.
func identityInside(what string) error {
	return fmt.Errorf("%s holds an age identity, which would be inside the image, beside what it decrypts\nhint: leave it out, and mount it: age.identityPaths = [ \"/run/secrets/identity\" ]", what)
}
