package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"nix2gpu/debian/repo"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// KeyOptions says whose keys are wanted, and how to get them.
type KeyOptions struct {
	Sources []packages.AptSource
	// Read reads the file of a key. Get downloads one from its URL; vouched tells it
	// that a fingerprint identifies the key.
	Read func(path string) ([]byte, error)
	Get  func(ctx context.Context, url string, vouched bool) ([]byte, error)
	// Believe allows keys from URLs that no fingerprint identifies.
	Believe bool
	// Take has the names of sources whose keys may change.
	Take []string
}

// Keys returns the keys of apt sources: from the lock, which may be nil, or for a new
// source from where the definition says. A key is downloaded only once; afterwards it
// is in the lock, and that the definition means another one is an error. The errors
// are [project.Errors].
func Keys(ctx context.Context, file *File, opts KeyOptions) ([]Key, error) {
	for _, name := range opts.Take {
		if !slices.ContainsFunc(opts.Sources, func(s packages.AptSource) bool { return s.Name == name }) {
			return nil, fmt.Errorf("the definition has no apt source %q whose key could be taken\nhint: name one of aptSources", name)
		}
	}
	out, err := each(opts.Sources, func(s packages.AptSource) (Key, error) {
		key, err := opts.key(ctx, file.key(s.Name), s)
		if err != nil {
			return Key{}, err
		}
		return *key, nil
	})
	sort.SliceStable(out, func(i, j int) bool { return out[i].Source < out[j].Source })
	return out, err
}

// each calls do for each item of a list. It collects errors of the definition into one
// [project.Errors]; any other error ends it at once.
func each[T, R any](list []T, do func(T) (R, error)) ([]R, error) {
	var out []R
	var wrong project.Errors
	for _, item := range list {
		done, err := do(item)
		if one, ok := errors.AsType[*project.Error](err); ok {
			wrong = append(wrong, one)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, done)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return out, nil
}

func (o *KeyOptions) key(ctx context.Context, locked *Key, s packages.AptSource) (*Key, error) {
	bad := func(hint, format string, args ...any) error {
		return &project.Error{Pos: s.Pos, Msg: fmt.Sprintf(format, args...), Hint: hint}
	}
	take := fmt.Sprintf("if its vendor says so: nix2gpu lock --take-key %s", s.Name)
	pinned := func(prints []string) bool {
		return len(s.Fingerprints) == 0 || !slices.ContainsFunc(prints, func(p string) bool { return !slices.Contains(s.Fingerprints, p) })
	}
	if slices.Contains(o.Take, s.Name) {
		locked = nil
	}
	var data []byte
	var err error
	switch {
	case s.HasURL() && locked != nil && pinned(locked.Fingerprints):
		return locked, nil
	case s.HasURL() && locked != nil:
		return nil, bad(take, "the key of apt source %q has changed: the definition wants %s, and %s has %s",
			s.Name, strings.Join(s.Fingerprints, ", "), Name, strings.Join(locked.Fingerprints, ", "))
	case s.HasURL() && len(s.Fingerprints) == 0 && !o.Believe:
		return nil, bad(fmt.Sprintf("nix2gpu lock, which writes down the key that it finds; or set aptSources.%s.fingerprint", s.Name),
			"the key of apt source %q cannot be verified: it has no fingerprint, and %s knows no key", s.Name, Name)
	case s.HasURL():
		if data, err = o.Get(ctx, s.Key, len(s.Fingerprints) > 0); err != nil {
			text, _, _ := strings.Cut(err.Error(), "\nhint: ")
			return nil, bad(fmt.Sprintf("save the key that its vendor publishes, and name the file: aptSources.%s.key = ./%s.asc", s.Name, s.Name), "the key of apt source %q: %s", s.Name, text)
		}
	case strings.Contains(s.Key, "-----BEGIN PGP"):
		data = []byte(s.Key)
	default:
		if data, err = o.Read(s.Key); err != nil {
			return nil, bad("", "cannot read the key of apt source %q: %v", s.Name, err)
		}
	}
	ring, err := repo.NewKeyring(data)
	if err != nil {
		return nil, bad("", "the key of apt source %q: %v", s.Name, err)
	}
	there, err := ring.Fingerprints()
	if err != nil {
		return nil, bad("", "the key of apt source %q: %v", s.Name, err)
	}
	if len(s.Fingerprints) > 0 {
		ring = ring.Only(s.Fingerprints...)
	}
	key := &Key{Source: s.Name}
	if key.Fingerprints, err = ring.Fingerprints(); err == nil && len(key.Fingerprints) == 0 {
		return nil, bad(fmt.Sprintf("if its vendor publishes that fingerprint: aptSources.%s.fingerprint = %q", s.Name, there[0]),
			"the key of apt source %q is %s, and not %s", s.Name, strings.Join(there, ", "), strings.Join(s.Fingerprints, ", "))
	}
	if err == nil {
		key.Key, err = ring.Armoured()
	}
	if err != nil {
		return nil, bad("", "the key of apt source %q: %v", s.Name, err)
	}
	if locked != nil && !slices.Equal(locked.Fingerprints, key.Fingerprints) {
		return nil, bad(take, "the key of apt source %q has changed: it is %s, and %s has %s",
			s.Name, strings.Join(key.Fingerprints, ", "), Name, strings.Join(locked.Fingerprints, ", "))
	}
	return key, nil
}
