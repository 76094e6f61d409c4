"""Counts visits in PostgreSQL. GET / counts one, GET /health only looks."""

import http.server
import os
import subprocess

PORT = int(os.environ["PORT"])


def query(sql):
    done = subprocess.run(
        ["psql", "--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql, os.environ["DATABASE_URL"]],
        capture_output=True, text=True, timeout=10,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout.strip()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/health":
                query("select 1")
                status, body = 200, "ok\n"
            else:
                count = query("update visits set count = count + 1 returning count")
                status, body = 200, f"visit {count}, served from {os.getcwd()}\n"
        except Exception as err:
            status, body = 503, f"{err}\n"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, fmt, *args):
        if self.path != "/health":
            print(f"{self.command} {self.path} {args[1]}", flush=True)


query("create table if not exists visits (count int not null)")
query("insert into visits select 0 where not exists (select from visits)")
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
print(f"Starting server on port {PORT}", flush=True)
server.serve_forever()
