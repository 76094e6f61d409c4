package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/project"
)

func TestGPUs(t *testing.T) {
	for _, c := range []struct{ option, needs, visible, err string }{
		{`gpus = [ 0 2 "GPU-8932f937" ];`, "[0 2 GPU-8932f937]", "0,2,GPU-8932f937", ""},
		{`gpus = 3;`, "3", "0,1,2", ""},
		{`gpus = "all";`, "all", "", ""},
		{`gpus = "none";`, "", "-1", ""},
		{``, "", "", ""},
		{`environment.CUDA_VISIBLE_DEVICES = "1";`, "", "1", ""}, // the definition reads it
		{`gpus = [ ];`, "", "", `hint: gpus = "none"`},
		{`gpus = 0;`, "", "", "gpus"},
		{`gpus = 1025;`, "", "", "at most 1024, not 1025"},
		{`gpus = 5000;`, "", "", "at most 1024"},
		{`gpus = "some";`, "", "", "gpus"},
		{`gpus = [ "0,1" ];`, "", "", `not "0,1"`},
		{`gpus = [ "-1" ];`, "", "", `not "-1"`},
		{`gpu = { count = 2; memory = "24G"; };`, "2 of 24", "0,1", ""},
		{`gpu.count = 1025;`, "", "", "count must be at most 1024, not 1025"},
		{`gpu.uuid = "GPU-8932f937";`, "[GPU-8932f937]", "GPU-8932f937", ""},
		{`gpu = { uuid = [ "GPU-8932f937" "MIG-1" ]; memory = 1073741824; };`, "[GPU-8932f937 MIG-1] of 1", "GPU-8932f937,MIG-1", ""},
		{`gpu = { uuid = [ "GPU-1" "GPU-2" ]; count = 2; };`, "[GPU-1 GPU-2]", "GPU-1,GPU-2", ""},
		{`gpu = { uuid = "GPU-1"; count = 2; };`, "", "", "count must be left out when uuid names"},
		{`gpu.uuid = [ ];`, "", "", "uuid must name a GPU"},
		{`gpu.uuid = "0";`, "", "", `not "0"`},
		{`gpu.uuid = "GPU-1,GPU-2";`, "", "", `not "GPU-1,GPU-2"`},
		{`gpu.memory = "much";`, "", "", `not "much"`},
		{`gpu.memory = "8G";`, "all of 8", "", ""}, // of whatever it sees
		{`gpu.memory = "8G"; gpus = [ 1 ];`, "[1] of 8", "1", ""},
		{`gpu.memory = "8G"; gpus = "none";`, "", "-1", ""},
		{`gpu.memory = "8G"; environment.CUDA_VISIBLE_DEVICES = "0,1";`, "[0 1] of 8", "0,1", ""},
		{`gpu.count = 1; gpus = 1;`, "", "", "gpus and gpu must not both be set"},
		{`gpu.count = 1; environment.CUDA_VISIBLE_DEVICES = "0";`, "", "", "gpu and CUDA_VISIBLE_DEVICES must not both be set"},
		{`gpu = { };`, "", "", ""},
		{`gpus = 1; environment.CUDA_VISIBLE_DEVICES = "0";`, "", "", "must not both be set"},
	} {
		t.Run(c.option, func(t *testing.T) {
			p, err := generate(t, "t.nix", `{ services.custom.a = { enable = true; command = "x"; `+c.option+` }; }`)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "t.nix:1:") {
					t.Fatalf("got %v, want %q with its place", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := needed(p.Services["a"].GPUs); got != c.needs {
				t.Errorf("needs %q, want %q", got, c.needs)
			}
			if got := p.Processes["a"].Env["CUDA_VISIBLE_DEVICES"].Text.String(); got != c.visible {
				t.Errorf("sees %q, want %q", got, c.visible)
			}
		})
	}
	most, err := generate(t, "t.nix", fmt.Sprintf(`{ services.custom.a = { enable = true; command = "x"; gpus = %d; }; }`, 1024))
	if err != nil {
		t.Fatal(err)
	}
	if seen := most.Processes["a"].Env["CUDA_VISIBLE_DEVICES"].Text.String(); !strings.HasSuffix(seen, ",1022,1023") {
		t.Errorf("of as many as can be it sees %s", seen)
	}
	for body, want := range map[string]string{`acceleration = "cuda";`: "all ", `acceleration = false;`: " -1", `acceleration = "rocm";`: " ", `acceleration = false; gpus = [ 1 ];`: "[1] 1"} {
		p, err := generate(t, "t.nix", `{ services.ollama.a = { enable = true; `+body+` }; }`)
		if err != nil {
			t.Fatal(err)
		}
		if got := needed(p.Services["ollama.a"].GPUs) + " " + p.Processes["ollama.a"].Env["CUDA_VISIBLE_DEVICES"].Text.String(); got != want {
			t.Errorf("%s needs and sees %q, want %q", body, got, want)
		}
	}
}

// As the CUDA programming guide has it: the list ends at the first that is none.
func TestGPUsOf(t *testing.T) {
	for visible, want := range map[string]string{
		"0": "[0]", "0,1": "[0 1]", " 2 , 3 ": "[2 3]", "GPU-ab,MIG-cd": "[GPU-ab MIG-cd]", "1,-1,2": "[1]", "0,x": "[0]", "all": "all",
		"": "", "-1": "", "NoDevFiles": "", "-1,0": "", ",0": "",
	} {
		if got := needed(catalog.GPUsOf(visible)); got != want {
			t.Errorf("%q needs %q, want %q", visible, got, want)
		}
	}
}

func needed(g *project.GPUs) string {
	if g == nil {
		return ""
	}
	text := fmt.Sprint(g.Devices)
	switch {
	case g.All:
		text = "all"
	case g.Count > 0:
		text = fmt.Sprint(g.Count)
	}
	if g.Memory > 0 {
		text += fmt.Sprintf(" of %d", g.Memory>>30)
	}
	return text
}

// A probe asks in the same words.
func TestGPUProbe(t *testing.T) {
	for option, want := range map[string]string{
		`{ count = 2; memory = "24G"; }`: "2 of 24", `{ }`: "1", `{ memory = "8G"; }`: "1 of 8", `{ uuid = "GPU-1"; }`: "[GPU-1]",
	} {
		p, err := generate(t, "t.nix", `{ services.custom.a = { enable = true; command = "x"; readiness_probe.gpu = `+option+`; }; }`)
		if err != nil {
			t.Fatal(err)
		}
		if got := needed(p.Processes["a"].Readiness.GPU); got != want {
			t.Errorf("%s: %q, want %q", option, got, want)
		}
		if p.Services["a"].GPUs != nil {
			t.Errorf("%s: the service itself needs %v", option, p.Services["a"].GPUs)
		}
	}
	_, err := generate(t, "t.nix", `{ services.custom.a = { enable = true; command = "x"; readiness_probe = { gpu = { }; tcp.port = 1; }; }; }`)
	if err == nil || !strings.Contains(err.Error(), "notify and gpu; it has 2") {
		t.Errorf("two checks: %v", err)
	}
}
