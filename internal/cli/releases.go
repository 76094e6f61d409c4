package cli

import (
	"context"
	"errors"
	"maps"
	"slices"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/image"
	"nix2gpu/lock"
	"nix2gpu/packages"
)

// releases holds the releases of Debian that the containers of a definition are made
// of, by suite. A container on a base has the base's release.
type releases map[string]*release

// A release is the source of packages for some of the containers.
type release struct {
	base    *image.Base // of the first container that has one
	needs   map[string]*lock.Needs
	sources []packages.AptSource
	client  *repo.Client
}

func (rs releases) add(suite string, base *image.Base, container string, needs *lock.Needs) {
	if rs[suite] == nil {
		rs[suite] = &release{needs: map[string]*lock.Needs{}}
	}
	r := rs[suite]
	if r.base == nil {
		r.base = base
	}
	r.needs[container] = needs
}

// sorted returns the releases ordered by suite, so that every run does the same.
func (rs releases) sorted() (out []*release) {
	for _, suite := range slices.Sorted(maps.Keys(rs)) {
		out = append(out, rs[suite])
	}
	return out
}

// sources returns the apt sources of all releases, each name once: this is for their
// keys, and a vendor signs for all releases with one key. A source with a URL is
// preferred to one that a base brings.
func (rs releases) sources(root string) ([]packages.AptSource, error) {
	var out []packages.AptSource
	for _, r := range rs.sorted() {
		var err error
		if r.sources, err = aptSources(root, r.needs); err != nil {
			return nil, err
		}
		for _, s := range r.sources {
			i := slices.IndexFunc(out, func(have packages.AptSource) bool { return have.Name == s.Name })
			if i < 0 {
				out = append(out, s)
			} else if s.HasURL() && !out[i].HasURL() {
				out[i] = s
			}
		}
	}
	return out, nil
}

// open opens the archives of each release.
func (rs releases) open(ctx context.Context, env *Env, f *lockFlags, file *lock.File, keys []lock.Key) error {
	for _, r := range rs.sorted() {
		var err error
		if r.client, err = f.client(ctx, env, file, r.base, r.sources, keys); err != nil {
			return err
		}
	}
	return nil
}

func (rs releases) close() error {
	var errs []error
	for _, r := range rs {
		if r.client != nil {
			errs = append(errs, r.client.Close())
		}
	}
	return errors.Join(errs...)
}

// index returns the index of a release, for [lock.Options].
func (rs releases) index(ctx context.Context, suite, arch string) (*debian.Index, []repo.Origin, error) {
	return rs[suite].client.Index(ctx, arch)
}

// learn downloads a vendor's file. It belongs to no release, so any client will do.
func (rs releases) learn(ctx context.Context, url, sha256 string) (repo.File, error) {
	return rs.sorted()[0].client.Learn(ctx, url, sha256)
}
