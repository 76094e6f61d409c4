package catalog

import "nix2gpu/project"

// comfyui makes pictures.
var comfyui = ServiceType{
	Name: "comfyui", Package: "comfyui",
	Doc: "ComfyUI, which makes pictures by graphs of models. It downloads no models: put them into modelsDir. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 8188", "The port to listen on."},
		{"listen", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all. Whoever reaches it can run programs on the machine."},
		{"host", "alias listen"},
		{"source", "null file", "The folder with ComfyUI's main.py, which the python3 of PATH runs, with what ComfyUI needs of python.requirements or of the base; unless set, the program comfyui."},
		{"modelsDir", "null file", "A folder of models beside ComfyUI's own, with checkpoints, loras, vae and so on in it."},
		{"databasePath", "null file", "The file of its database; ComfyUI's own place unless set."},
		{"cpu", "bool", "Whether it computes without a GPU."},
		{"extraFlags", "list string", "Further arguments of ComfyUI."},
	},
	table: &table{
		extra:     "extraFlags",
		endpoints: []endpoint{{name: "web", port: "port", address: "listen", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--listen"}}},
		argv: []string{"!source {bin/comfyui}", "?source python3", "?source {source}/main.py", "--listen={web.host}", "--port={web.port}", "--disable-auto-launch",
			"--output-directory={data/output}", "--input-directory={data/input}", "--user-directory={data/user}", "--temp-directory={data}",
			"?modelsDir --extra-model-paths-config={run/models.yaml}", "--database-url=sqlite:///{databasePath}", "?cpu --cpu", "{extraFlags...}"},
		dirs: []string{"{data} 0750 keep", "{data/output} 0750", "{data/input} 0750", "{data/user} 0750"},
		configs: []config{{path: "/models.yaml", format: "json", base: []entry{
			{"models/base_path", "{modelsDir}"},
			{"models/checkpoints", "checkpoints"}, {"models/clip_vision", "clip_vision"}, {"models/controlnet", "controlnet"},
			{"models/diffusion_models", "diffusion_models"}, {"models/embeddings", "embeddings"}, {"models/loras", "loras"},
			{"models/text_encoders", "text_encoders"}, {"models/upscale_models", "upscale_models"}, {"models/vae", "vae"},
		}}},
		ready: ready{listener: "web", http: "/system_stats", slow: true, guard: []string{"--tls-certfile"}},
		finish: func(in *tableInstance, main *project.Process) {
			if !in.Bool("cpu") {
				in.service.GPUs = &project.GPUs{All: true} // unless gpus says otherwise
			}
			if in.Has("source") {
				main.Packages = nil
			}
			if !in.Has("modelsDir") {
				main.Files = nil
			}
		},
	},
}
