package definition_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/definition"
	"nix2gpu/project"
)

// What services need of GPUs comes from their options, or from what CUDA does where
// they have none.
func TestGPUsOfServices(t *testing.T) {
	for _, c := range []struct {
		name, container string
		want            map[project.ID]string
	}{
		{"a container with CUDA", `
		  cudaPackages = pkgs.cudaPackages_12_8;
		  secrets.which.env = "WHICH";
		  services.custom = {
		    quiet = { enable = true; command = "x"; };
		    first = { enable = true; command = "x"; environment.CUDA_VISIBLE_DEVICES = "0"; };
		    blind = { enable = true; command = "x"; environment.CUDA_VISIBLE_DEVICES = ""; };
		    none = { enable = true; command = "x"; gpus = "none"; };
		    two = { enable = true; command = "x"; gpus = 2; };
		    hidden = { enable = true; command = "x"; environment.CUDA_VISIBLE_DEVICES = { secret = "which"; }; };
		  };
		  services.redis.r.enable = true;`,
			map[project.ID]string{"quiet": `{"all":true}`, "first": `{"devices":["0"]}`, "blind": "null", "none": "null", "two": `{"count":2}`,
				"hidden": `{"all":true}`, "redis.r": "null"}},
		{"one without", `
		  services.custom.quiet = { enable = true; command = "x"; };
		  services.custom.compiler = { enable = true; command = "${pkgs.cudaPackages_12_8.cuda_nvcc}/bin/nvcc --version"; };
		  services.custom.library = { enable = true; command = "x"; environment.LD_LIBRARY_PATH = "${pkgs.cudaPackages.cudnn}/lib"; };`,
			map[project.ID]string{"quiet": "null", "compiler": `{"all":true}`, "library": `{"all":true}`}},
		{"by the container's environment", `
		  env.CUDA_VISIBLE_DEVICES = "1,2";
		  services.custom.quiet = { enable = true; command = "x"; };
		  services.custom.own = { enable = true; command = "x"; gpus = [ 3 ]; };
		  services.redis.r.enable = true;`,
			map[project.ID]string{"quiet": `{"devices":["1","2"]}`, "own": `{"devices":["3"]}`, "redis.r": "null"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nix2gpu.nix")
			if err := os.WriteFile(file, []byte("{"+c.container+"}"), 0o644); err != nil {
				t.Fatal(err)
			}
			loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
			if err != nil {
				t.Fatal(err)
			}
			for id, want := range c.want {
				got, err := json.Marshal(loaded.Project.Services[id].GPUs)
				if err != nil || string(got) != want {
					t.Errorf("%s needs %s (%v), want %s", id, got, err, want)
				}
			}
		})
	}
}
