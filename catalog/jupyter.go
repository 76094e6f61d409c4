package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// jupyter serves notebooks.
var jupyter = ServiceType{
	Name: "jupyter", Package: "jupyter",
	Doc: "Jupyter, which serves notebooks. It runs as the container's user, in whose name notebooks run.",
	rows: []row{
		{"port", "port = 8888", "The port to listen on; no other is tried."},
		{"ip", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"host", "alias ip"},
		{"interface", "enum notebook lab", "What is served: the classic notebook, or JupyterLab, which Debian 12 lacks: python.requirements or the base must bring it."},
		{"command", "null string", "What is run instead, of the package's programs, such as \"jupyter lab\"."},
		{"password", "null string", "The hash of a password that a browser may show, as jupyter's own command makes it, instead of a token."},
		{"notebookConfig", "lines", "Lines of the server's configuration, in Python."},
		{"extraEnvironmentVariables", "attrs string", "Environment variables of the server and its notebooks."},
		{"extraPackages", "list package", "Packages whose programs notebooks find."},
		{"kernels", "attrs {}", "Kernels beside the installed ones."},
		{"  displayName", "null string", "What the browser calls it; its name unless set."},
		{"  argv", "required list string", "The command that runs it, with {connection_file} in it."},
		{"  language", "required string", "The language that it speaks."},
		{"  env", "attrs string", "Environment variables of the kernel."},
		{"  logo32", "refused path", "the kernel runs without a picture"},
		{"  logo64", "refused path", "the kernel runs without a picture"},
		{"  extraPaths", "refused attrs path", "give the kernel's files in argv and env, by their paths"},
		{"notebookDir", "file = /workspace", "The folder of the notebooks."},
		{"token", "null secret", "What a browser has to show. Unless set, Jupyter makes one at each start, and prints it. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"tokenFile", "null key", "A file that holds the token, read at each start with the rights of whoever starts nix2gpu."},
		{"extraFlags", "list string", "Further arguments of jupyter."},
	},
	table: &table{
		extra:     "extraFlags",
		endpoints: []endpoint{{name: "web", port: "port", address: "ip", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--ip"}}},
		argv: []string{"{bin/jupyter}", "{interface}", "--no-browser", "--allow-root", "--ip={web.host}", "--port={web.port}",
			"--notebook-dir={notebookDir}", "{extraFlags...}"},
		// On another port nobody would find it.
		env:  []string{"JUPYTER_PORT_RETRIES=0", "JUPYTER_DATA_DIR={data}", "JUPYTER_CONFIG_DIR={data/config}", "JUPYTER_RUNTIME_DIR={run/runtime}", "IPYTHONDIR={data/ipython}"},
		dirs: []string{"{data} 0700 keep", "{data/config} 0700", "{data/ipython} 0700", "{run/runtime} 0700"},
		ready: ready{listener: "web", http: "/api", slow: true,
			guard: []string{"--certfile", "--NotebookApp.base_url", "--ServerApp.base_url"}},
		finish: func(in *tableInstance, main *project.Process) {
			if token := in.secretText(in.Config, "token", "tokenFile"); token != nil {
				main.Env["JUPYTER_TOKEN"] = project.Value{Text: token, Secret: true}
			}
			jupyterNixOS(in, main)
		},
	},
}

// jupyterNixOS is what the options of NixOS's module come to.
func jupyterNixOS(in *tableInstance, main *project.Process) {
	if words := strings.Fields(in.String("command")); len(words) > 0 {
		command := []project.Text{in.Program(words[0])}
		for _, word := range words[1:] {
			command = append(command, project.Lit(word))
		}
		main.Command.Exec = append(command, main.Command.Exec[2:]...) // behind jupyter, and what is served
	}
	for _, c := range in.Each("extraEnvironmentVariables") {
		main.Env[c.Name()] = project.Value{Text: in.place.Text(c.Str())}
	}
	for _, c := range in.List("extraPackages") {
		for _, attr := range in.place.Text(c.Str()).Packages() {
			main.Packages = append(main.Packages, project.PackageRef{Attr: attr, Pos: in.place.pos(c.Pos())})
		}
	}
	if in.String("notebookConfig") != "" || in.Has("password") {
		b := &textBuilder{}
		b.add(in.Text("notebookConfig"))
		b.endLine()
		for _, app := range []string{"NotebookApp", "ServerApp"} { // as older and newer ones are called
			if in.Has("password") {
				b.line("c.%s.password = %s", app, strconv.Quote(in.String("password")))
			}
		}
		config := in.RunDir("/config.py")
		main.Files = append(main.Files, project.File{Path: config, Content: b.text, Mode: "0400"})
		main.Command.Exec = append(main.Command.Exec, flag("config", config))
	}
	for _, c := range in.Each("kernels") {
		if wrong := project.PlainName(c.Name()); wrong != "" {
			c.Errorf("%s", wrong)
		}
		shown := c.Str("displayName")
		if shown.S == "" {
			shown.S = c.Name()
		}
		main.Files = append(main.Files, in.jsonFile("/share/kernels/"+c.Name()+"/kernel.json",
			map[string]any{"display_name": shown, "argv": c.Any("argv"), "language": module.Str{S: c.String("language")}, "env": c.Any("env")}))
		main.Env["JUPYTER_PATH"] = project.Value{Text: in.RunDir("/share")}
	}
}
