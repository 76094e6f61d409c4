"""Serves the trained model: GET /predict?x=4, GET /health."""

import argparse
import http.server
import json
import os
from urllib.parse import parse_qs, urlsplit

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
port = parser.parse_args().port
with open(os.environ["MODEL_PATH"], encoding="utf-8") as f:
    model = json.load(f)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/health":
            status, body = 200, "ok"
        else:
            try:
                x = float(parse_qs(url.query)["x"][0])
                status, body = 200, json.dumps({"y": round(model["weight"] * x + model["bias"], 2)})
            except (KeyError, ValueError):
                status, body = 400, "x must be a number: /predict?x=4"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode() + b"\n")

    def log_message(self, fmt, *args):
        if self.path != "/health":
            print(f"{self.command} {self.path} {args[1]}", flush=True)


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print(f"serving {os.environ['MODEL_PATH']} on port {port}", flush=True)
server.serve_forever()
