"""Stands in for ComfyUI 0.3 (comfy/cli_args.py as its README lists it).

It takes the flags that are documented there and no other, reads the models' folders as
ComfyUI does, needs the folders that it is told of, and serves /system_stats and /models.
"""
import argparse, http.server, json, os

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--listen", nargs="?", const="0.0.0.0,::", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8188)
parser.add_argument("--disable-auto-launch", action="store_true")
parser.add_argument("--cpu", action="store_true")
for flag in "output", "input", "user", "temp":
    parser.add_argument(f"--{flag}-directory")
parser.add_argument("--extra-model-paths-config", nargs="+", action="append")
parser.add_argument("--database-url")
args = parser.parse_args()

for folder in args.output_directory, args.input_directory, args.user_directory, args.temp_directory:
    with open(os.path.join(folder, "written"), "w"):
        pass
models = {}
for file in sum(args.extra_model_paths_config or [], []):
    with open(file) as text:
        for section in json.load(text).values():  # JSON is YAML
            base = section.pop("base_path")
            models.update({kind: os.listdir(os.path.join(base, folder)) for kind, folder in section.items()
                           if os.path.isdir(os.path.join(base, folder))})


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"/system_stats": {"system": {}}, "/models": models}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


http.server.ThreadingHTTPServer((args.listen, args.port), Handler).serve_forever()
