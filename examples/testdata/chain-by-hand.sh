#!/bin/bash
# The chain of the benchmark, postgresql then a program then nginx, started by
# hand: its yardstick. Prints "all healthy" and then waits for a line on stdin
# to stop. Usage: chain-by-hand.sh DATA-FOLDER, in the chain's folder.
set -eu
data=$1
pgbin=$(echo /usr/lib/postgresql/*/bin)
pgbin=${pgbin##* }
as_postgres=
if [ "$(id -u)" = 0 ]; then as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi

mkdir -p "$data/run" "$data/nginx"
if [ -n "$as_postgres" ]; then chown postgres "$data" "$data/run"; fi
if [ ! -e "$data/pg/PG_VERSION" ]; then
	$as_postgres "$pgbin/initdb" -D "$data/pg" -A trust --locale=C --encoding=UTF8 >/dev/null
fi
$as_postgres "$pgbin/postgres" -D "$data/pg" -k "$data/run" >"$data/pg.log" 2>&1 &
pg=$!
until "$pgbin/pg_isready" -q -h 127.0.0.1; do sleep 0.01; done

# The subshell frees the descriptor. No command is started to poll a port.
ready() { (exec 3<>/dev/tcp/127.0.0.1/"$1") 2>/dev/null; }
python3 app.py >"$data/app.log" 2>&1 &
app=$!
until ready 3001; do sleep 0.01; done

cat >"$data/nginx/nginx.conf" <<CONF
pid $data/nginx/pid; error_log $data/nginx/error.log; daemon off;
events {}
http {
	access_log off;
	client_body_temp_path $data/nginx/a; proxy_temp_path $data/nginx/b; fastcgi_temp_path $data/nginx/c;
	uwsgi_temp_path $data/nginx/d; scgi_temp_path $data/nginx/e;
	server {
		listen 8080;
		location / { proxy_pass http://127.0.0.1:3001/; }
	}
}
CONF
nginx -c "$data/nginx/nginx.conf" -e "$data/nginx/error.log" &
nginx=$!
until ready 8080; do sleep 0.01; done
echo "all healthy"

read -r _ || true
kill -QUIT $nginx
kill -TERM $app
kill -INT $pg
wait
