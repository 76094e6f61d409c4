package catalog

import (
	"maps"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// ollama serves language models.
var ollama = ServiceType{
	Name: "ollama", Package: "ollama", User: "ollama",
	Doc: "Ollama, which serves language models. Its first start downloads those of models and loadModels; it is ready once they are there. Written after its documentation, and not yet tried with a real server.",
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
	table: &table{
		endpoints: []endpoint{{name: "api", port: "port", number: 11434, address: "host", both: []string{"environment.OLLAMA_HOST", "environmentVariables.OLLAMA_HOST"}}},
		argv:      []string{"{bin/ollama}", "serve"},
		env:       []string{"HOME=!home {data}", "HOME=?home {home}", "OLLAMA_HOST={api}", "OLLAMA_KEEP_ALIVE={keepAlive}", "HSA_OVERRIDE_GFX_VERSION={rocmOverrideGfx}"},
		dirs:      []string{"{data} 0750 keep", "?home {home} 0750"},
		ready:     ready{listener: "api", http: "/", slow: true},
		finish:    ollamaModels,
	},
}

// downloading says what a first start does, and where to, unless the user's variable names
// another place.
func (in *Instance) downloading(model, variable string, to project.Text) string {
	if own := in.Get("environment", variable); own.Kind() == module.KindStr {
		to = in.place.Text(own.Str())
	}
	return "downloading the model " + model + " into " + to.String() + " unless it is there"
}

// ollamaModels says where models are, and has the server fetch those that are missing.
func ollamaModels(in *tableInstance, main *project.Process) {
	main.Readiness.HTTP.Scheme = "" // it takes an address with https, and speaks no TLS
	folder, models := in.Data("/models"), in.Strings("loadModels")
	own := in.Kind("models") == module.KindStr
	if own {
		folder = in.Path("models")
		if name := in.String("models"); !strings.Contains(name, "/") {
			in.note(in.Get("models"), "models as text is a folder; write [ %q ] for a model to download", name)
		}
	} else {
		models = append(in.Strings("models"), models...)
	}
	main.Dirs = append(main.Dirs, project.Dir{Path: folder, Mode: "0750", Keep: own})
	main.Env["OLLAMA_MODELS"] = project.Value{Text: folder}
	switch c := in.Get("acceleration"); {
	case c.Kind() == module.KindStr && c.String() == "cuda":
		in.service.GPUs = &project.GPUs{All: true}
	case c.Kind() == module.KindBool && !c.Bool() && !in.Has("gpus"):
		main.Env[VisibleDevices] = project.Value{Text: project.Lit(noDevice)}
	}
	for _, c := range in.Each("environmentVariables") {
		main.Env[c.Name()] = project.Value{Text: in.place.Text(c.Str())}
	}
	for _, model := range models {
		pull := in.After(project.Command{Exec: []project.Text{in.Program("ollama"), project.Lit("pull"), project.Lit(model)}})
		pull.Doing = in.downloading(model, "OLLAMA_MODELS", folder)
		pull.Env = maps.Clone(main.Env)
		pull.Env["OLLAMA_HOST"] = project.Value{Text: in.value("api!")}
	}
}
