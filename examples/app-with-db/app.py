"""A guest book: GET / lists the notes in PostgreSQL, POST / adds one."""

import http.server
import os
import subprocess


def query(sql, **variables):
    """Runs sql through psql; :'name' in it stands for the quoted variable."""
    set_variables = [f"--set={name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        ["psql", "--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", *set_variables, os.environ["DATABASE_URL"]],
        input=sql, capture_output=True, text=True, timeout=10,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        try:
            self.answer(200, "ok\n" if self.path == "/health" else query("select text from notes order by id"))
        except Exception as err:
            self.answer(503, f"{err}\n")

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            query("insert into notes (text) values (:'text')", text=text)
            self.answer(201, "noted\n")
        except Exception as err:
            self.answer(503, f"{err}\n")

    def log_message(self, fmt, *args):
        if self.path != "/health":
            print(f"{self.command} {self.path} {args[1]}", flush=True)


query("create table if not exists notes (id serial primary key, text text not null)")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 3000), Handler)
print("serving on port 3000", flush=True)
server.serve_forever()
