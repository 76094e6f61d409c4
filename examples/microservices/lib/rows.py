"""Serves the rows of one table as JSON, straight from PostgreSQL.

What the three services share: a table that is made when it is missing, an
HTTP server that answers / with its rows and /health once the database does.
The database is asked through psql, so nothing beside Python and PostgreSQL
has to be installed.
"""

import argparse
import http.server
import os
import subprocess
import sys


def query(sql):
    """Runs sql in the database that DATABASE_URL names; returns its output."""
    url = os.environ["DATABASE_URL"]
    done = subprocess.run(
        ["psql", "--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql, url],
        capture_output=True, text=True, timeout=10,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout.strip()


def serve(name, schema, select):
    """Creates the table as schema says and serves select's rows on --port."""
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    query(schema)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                rows = query(f"select coalesce(json_agg(r), '[]') from ({select}) r")
                status, body = 200, "ok\n" if self.path == "/health" else rows + "\n"
            except Exception as err:  # the caller learns that we are alive and the database is not
                status, body = 503, f"{err}\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, fmt, *args):
            if self.path != "/health":
                request = self.headers.get("X-Request-ID", "-")  # the gateway's
                print(f"{self.command} {self.path} {args[1]} request_id={request}", flush=True)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"serving on port {port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
