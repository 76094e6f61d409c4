package cli

import (
	"slices"
	"testing"
)

func TestTake(t *testing.T) {
	env := &Env{Dir: t.TempDir(), Args: []string{"nix2gpu"}}
	for _, c := range []struct {
		args, files []string
		container   string
		services    []string
	}{
		{args: []string{"api", "postgresql.db"}, services: []string{"api", "postgresql.db"}},
		{args: []string{"."}, files: []string{"."}},
		{args: []string{"#web"}, files: []string{"."}, container: "web"},
		{args: []string{"./stack#web", "api"}, files: []string{"./stack"}, container: "web", services: []string{"api"}},
		{args: []string{".#nix2gpu.web"}, files: []string{"."}, container: "web"},
		{args: []string{`flake.nix#nix2gpu."my-web"`}, files: []string{"flake.nix"}, container: "my-web"},
		{args: []string{"path:./stack#web"}, files: []string{"./stack"}, container: "web"},
		{args: []string{"stack.nix", "api"}, files: []string{"stack.nix"}, services: []string{"api"}},
		{args: []string{"sub/folder"}, files: []string{"sub/folder"}},
		{args: []string{"process-compose.yml"}, files: []string{"process-compose.yml"}},
	} {
		var got target
		if err := got.take(t.Context(), env, c.args); err != nil {
			t.Errorf("take(%q): %v", c.args, err)
		}
		if !slices.Equal(got.files, c.files) || got.container != c.container || !slices.Equal(got.services, c.services) {
			t.Errorf("take(%q) = %+v", c.args, got)
		}
	}
	for _, args := range [][]string{{"a.nix", "b.nix"}, {"./a#x", "./b"}} {
		if err := new(target).take(t.Context(), env, args); exitCode(err) != exitUsage {
			t.Errorf("take(%q) = %v, want a usage error", args, err)
		}
	}
}
