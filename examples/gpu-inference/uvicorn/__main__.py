"""Enough of uvicorn's command line to run the example with Python alone.

    python -m uvicorn MODULE:APP [--host HOST] [--port PORT]

Remove this folder once the real uvicorn is installed: the command in
nix2gpu.nix stays as it is.
"""

import argparse
import asyncio
import http.server
import importlib
import os
import sys
from urllib.parse import urlsplit

parser = argparse.ArgumentParser(prog="uvicorn")
parser.add_argument("app", help="MODULE:ATTRIBUTE of an ASGI application")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8000)
args = parser.parse_args()

sys.path.insert(0, os.getcwd())
module, _, attribute = args.app.partition(":")
app = getattr(importlib.import_module(module), attribute or "app")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        scope = {"type": "http", "asgi": {"version": "3.0"}, "method": "GET",
                 "path": url.path, "query_string": url.query.encode(), "headers": []}

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(event):
            if event["type"] == "http.response.start":
                self.send_response(event["status"])
                for name, value in event["headers"]:
                    self.send_header(name.decode(), value.decode())
                self.end_headers()
            else:
                self.wfile.write(event.get("body", b""))

        asyncio.run(app(scope, receive, send))

    def log_message(self, fmt, *args):
        print(f"{self.command} {self.path} {args[1]}", flush=True)


server = http.server.ThreadingHTTPServer((args.host, args.port), Handler)
print(f"Uvicorn stand-in running on http://{args.host}:{args.port}", flush=True)
server.serve_forever()
