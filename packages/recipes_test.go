package packages_test

import (
	"slices"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// recipe returns a recipe by its name, for an image that has these packages.
func recipe(name string, attrs ...string) *packages.Recipe {
	var refs []project.PackageRef
	for _, attr := range attrs {
		refs = append(refs, project.PackageRef{Attr: attr})
	}
	all := packages.Recipes(refs)
	if i := slices.IndexFunc(all, func(r packages.Recipe) bool { return r.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

func TestRecipeOfPostgreSQL(t *testing.T) {
	r := recipe("jit", "postgresql")
	if r == nil {
		t.Fatal("no recipe leaves out the compiler of queries")
	}
	for _, c := range []struct {
		pkg, path string
		want      bool
	}{
		{"postgresql-15", "usr/lib/postgresql/15/lib/llvmjit.so", true},
		{"postgresql-15", "usr/lib/postgresql/15/lib/llvmjit_types.bc", true},
		{"postgresql-15", "usr/lib/postgresql/15/lib/bitcode", true},
		{"postgresql-17", "usr/lib/postgresql/17/lib/bitcode/postgres/access/brin/brin.bc", true},
		{"postgresql-15-pgvector", "usr/lib/postgresql/15/lib/bitcode/vector.index.bc", true},
		{"postgresql-15", "usr/lib/postgresql/15/lib/plpgsql.so", false},
		{"postgresql-15", "usr/lib/postgresql/15/bin/postgres", false},
		{"other", "usr/lib/postgresql/15/lib/llvmjit.so", false},
	} {
		if got := r.Drops(c.pkg, c.path); got != c.want {
			t.Errorf("Drops(%q, %q) = %v", c.pkg, c.path, got)
		}
	}
	for _, c := range []struct {
		pkg, need string
		want      bool
	}{
		{"postgresql-15", "libllvm14", true}, {"postgresql-17", "libllvm19", true}, {"postgresql-15", "libicu72", false}, {"clang-14", "libllvm14", false}, {"postgresql", "libllvm14", false},
	} {
		if got := r.Cuts(c.pkg, c.need); got != c.want {
			t.Errorf("Cuts(%q, %q) = %v", c.pkg, c.need, got)
		}
	}
	for _, attr := range []string{"postgresql_jit", "postgresql_15_jit", "postgresql_18_jit"} {
		if recipe("jit", "postgresql", attr) != nil {
			t.Errorf("%s does not keep the compiler", attr)
		}
		if recipe("clusters", attr) == nil {
			t.Errorf("%s keeps what it does not name", attr)
		}
	}
	if got := packages.Lookup("postgresql_16_jit"); !slices.Equal(got.Debian, []string{"postgresql-16"}) || len(got.Dirs) == 0 {
		t.Errorf("postgresql_16_jit is %+v", got)
	}
}
