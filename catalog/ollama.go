package catalog

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// ollama serves language models.
var ollama = ServiceType{
	Name: "ollama", Package: "ollama", User: "ollama",
	Doc: "Ollama, which serves language models. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 11434", "The port to listen on."},
		{"host", "string = 127.0.0.1", "The address to listen on."},
		{"keepAlive", "string = 5m", "How long an idle model stays loaded."},
		{"models", "(list string) | file = [ ]", "Models to fetch, at each start, when they are missing; or in the words of NixOS, the folder that models are in."},
		{"loadModels", "list string", "The same as a list of models, in the words of NixOS."},
		{"home", "null file", "The home folder of the server; dataDir unless set."},
		{"rocmOverrideGfx", "null string", "Which GPU of AMD's ROCm shall see, such as \"10.3.0\"."},
		{"environmentVariables", "attrs string", "Further environment variables, in the words of NixOS."},
		{"acceleration", "null bool | string", "In the words of services-flake: \"cuda\" needs GPUs as gpus = \"all\" does, false is gpus = \"none\"; with anything else the installed program uses what it finds."},
	},
	Generate: func(in *Instance) {
		host, port, path := ollamaListener(in)
		hidden := in.Kind("acceleration") == module.KindBool && !in.Bool("acceleration") && !in.Has("gpus")
		if in.Kind("acceleration") == module.KindStr && in.String("acceleration") == "cuda" {
			in.service.GPUs = &project.GPUs{All: true}
		}
		home, folder, models := in.DataDir(), in.Data("/models"), in.Strings("loadModels")
		if in.Has("home") {
			home = in.Path("home")
		}
		if in.Kind("models") == module.KindStr {
			folder = in.Path("models")
		} else {
			models = append(in.Strings("models"), models...)
		}
		env := func(proc *project.Process) {
			proc.Env["HOME"] = project.Value{Text: home}
			proc.Env["OLLAMA_MODELS"] = project.Value{Text: folder}
			if in.Has("rocmOverrideGfx") {
				proc.Env["HSA_OVERRIDE_GFX_VERSION"] = project.Value{Text: project.Lit(in.String("rocmOverrideGfx"))}
			}
			proc.Env["OLLAMA_KEEP_ALIVE"] = project.Value{Text: project.Lit(in.String("keepAlive"))}
			if hidden {
				proc.Env[VisibleDevices] = project.Value{Text: project.Lit(noDevice)}
			}
			for _, c := range in.Each("environmentVariables") { // OLLAMA_HOST is in host and port
				proc.Env[c.Name()] = project.Value{Text: in.place.Text(c.Str())}
			}
		}
		main := in.Main(project.Command{Exec: []project.Text{in.Program("ollama"), project.Lit("serve")}})
		main.Dirs = []project.Dir{in.KeptData("0750"), {Path: folder, Mode: "0750", Keep: in.Kind("models") == module.KindStr}}
		if in.Has("home") {
			main.Dirs = append(main.Dirs, project.Dir{Path: home, Mode: "0750"})
		}
		env(main)
		main.Env["OLLAMA_HOST"] = project.Value{Text: project.Lit(hostPort(host, port))}
		main.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Host: reachable(host), Port: port, Path: "/"}, Period: slowStart}
		in.Listen(port, everywhere(host), path...)
		for _, model := range models {
			pull := in.After(project.Command{Exec: []project.Text{in.Program("ollama"), project.Lit("pull"), project.Lit(model)}})
			env(pull)
			pull.Env["OLLAMA_HOST"] = project.Value{Text: project.Lit(hostPort(reachable(host), port))}
		}
	},
}

// ollamaListener returns where the server listens, and the option that says so: the
// environment takes precedence over host and port.
func ollamaListener(in *Instance) (host string, port int, path []string) {
	host, port, path = in.String("host"), in.Int("port"), []string{"port"}
	for _, set := range []string{"environmentVariables", "environment"} { // the last wins
		at := []string{set, "OLLAMA_HOST"}
		if in.Kind(at...) != module.KindStr {
			continue
		}
		text := in.String(at...)
		if _, rest, ok := strings.Cut(text, "://"); ok {
			text = rest
		}
		host, port, path = strings.TrimRight(text, "/"), 11434, at
		if h, n, ok := splitHostPort(host); ok {
			host, port = h, n
		}
		if strings.HasPrefix(text, ":") { // of this program alone
			host = "127.0.0.1"
		}
	}
	return host, port, path
}
