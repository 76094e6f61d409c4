package packages

import (
	"path"
	"slices"
	"strings"

	"nix2gpu/project"
)

// A Recipe leaves out of an image a part of some Debian packages that is large
// and of no use to most: some of their files, and the packages that only those
// need. The two go together, since a program that finds the one looks for the
// other.
type Recipe struct {
	Name  string
	Of    []string // patterns of the packages that it is for, by name
	Paths []string // patterns of what they lose, folders with all that is in them
	Needs []string // patterns of the packages that they then do not need
}

// recipes are all of them. The variant "full" has none.
func recipes() []Recipe {
	return []Recipe{
		// The compiler of queries: LLVM and Z3 are most of a PostgreSQL image. Without
		// its library the server says that there is none (pg_jit_available() is
		// false) and interprets; a library without LLVM would fail each query.
		{
			Name:  "jit",
			Of:    []string{"postgresql-[0-9]*"},
			Paths: []string{"usr/lib/postgresql/*/lib/llvmjit.so", "usr/lib/postgresql/*/lib/llvmjit_types.bc", "usr/lib/postgresql/*/lib/bitcode"},
			Needs: []string{"libllvm[0-9]*"},
		},
		// Debian's own way to run several clusters, in Perl, which takes the place of
		// psql and its like; what locales are compiled of; a certificate that a script
		// would make. The supervisor does without.
		{
			Name:  "clusters",
			Of:    []string{"postgresql-[0-9]*", "postgresql-client-[0-9]*"},
			Needs: []string{"postgresql-common", "postgresql-client-common", "locales", "locales-all", "ssl-cert"},
		},
		// The program that merges /bin with /usr/bin, in Perl: images are made so.
		{Name: "usr merge", Of: []string{"init-system-helpers"}, Needs: []string{"usrmerge", "usr-is-merged"}},
	}
}

// Recipes are those for an image that has some packages: all but what these
// packages keep by their rows, as postgresql_jit keeps "jit".
func Recipes(refs []project.PackageRef) []Recipe {
	return slices.DeleteFunc(recipes(), func(r Recipe) bool {
		return slices.ContainsFunc(refs, func(ref project.PackageRef) bool { return Lookup(ref.Attr).Keeps == r.Name })
	})
}

// For reports whether the recipe is for a package.
func (r Recipe) For(name string) bool { return matchesAny(r.Of, name) }

// Drops reports whether a package loses a path: "usr/bin/x".
func (r Recipe) Drops(name, file string) bool {
	if !r.For(name) {
		return false
	}
	for ; file != "." && file != "/"; file = path.Dir(file) {
		if matchesAny(r.Paths, file) {
			return true
		}
	}
	return false
}

// Cuts reports whether a package no longer needs another.
func (r Recipe) Cuts(name, need string) bool { return r.For(name) && matchesAny(r.Needs, need) }

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if !strings.ContainsAny(p, "*?[") {
			return p == name
		}
		ok, _ := path.Match(p, name) // the patterns are well-formed
		return ok
	})
}
