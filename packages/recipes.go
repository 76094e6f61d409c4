package packages

import (
	"path"
	"slices"
	"strings"

	"nix2gpu/project"
)

// A Recipe leaves out of an image parts of Debian packages that are large and of use to
// few: some files, and the packages that only these need. Both go together, since a
// program that finds the one looks for the other.
type Recipe struct {
	Name  string
	Of    []string // patterns of the names of packages that it is for
	Paths []string // patterns of paths that are left out; folders with their content
	Needs []string // patterns of packages that are then not needed
}

// recipes returns all recipes. The variant "full" applies none.
func recipes() []Recipe {
	return []Recipe{
		// The compiler of queries: LLVM and Z3 are most of a PostgreSQL image. Without
		// its library the server interprets queries (pg_jit_available() is false); with
		// the library but without LLVM each query would fail.
		{
			Name:  "jit",
			Of:    []string{"postgresql-[0-9]*"},
			Paths: []string{"usr/lib/postgresql/*/lib/llvmjit.so", "usr/lib/postgresql/*/lib/llvmjit_types.bc", "usr/lib/postgresql/*/lib/bitcode"},
			Needs: []string{"libllvm[0-9]*"},
		},
		// Debian's scripts for several clusters, in Perl, which wrap psql and the like;
		// the sources of locales; a certificate that a script would make. The supervisor
		// needs none of them.
		{
			Name:  "clusters",
			Of:    []string{"postgresql-[0-9]*", "postgresql-client-[0-9]*"},
			Needs: []string{"postgresql-common", "postgresql-client-common", "locales", "locales-all", "ssl-cert"},
		},
		// The program that merges /bin with /usr/bin, in Perl: images are merged already.
		{Name: "usr merge", Of: []string{"init-system-helpers"}, Needs: []string{"usrmerge", "usr-is-merged"}},
	}
}

// Recipes returns the recipes for an image with these packages: all but those that a
// package's row excludes, as postgresql_jit excludes "jit".
func Recipes(refs []project.PackageRef) []Recipe {
	return slices.DeleteFunc(recipes(), func(r Recipe) bool {
		return slices.ContainsFunc(refs, func(ref project.PackageRef) bool { return Lookup(ref.Attr).Keeps == r.Name })
	})
}

// For reports whether the recipe is for a package.
func (r Recipe) For(name string) bool { return matchesAny(r.Of, name) }

// Drops reports whether the recipe leaves out a path of a package: "usr/bin/x".
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

// Cuts reports whether the recipe ignores a package's dependency on another.
func (r Recipe) Cuts(name, need string) bool { return r.For(name) && matchesAny(r.Needs, need) }

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if !strings.ContainsAny(p, "*?[") {
			return p == name
		}
		ok, _ := path.Match(p, name) // patterns of recipes are well-formed
		return ok
	})
}
