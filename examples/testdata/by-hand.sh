#!/bin/bash
# The microservices example started by hand, as one would in a script: the
# yardstick of the benchmark. Prints "all healthy" and then waits for a line
# on stdin to stop. Usage: by-hand.sh DATA-FOLDER, in the example's folder.
set -eu
data=$1
pgbin=$(echo /usr/lib/postgresql/*/bin)
pgbin=${pgbin##* }
export PATH="$PWD/bin:$pgbin:$PATH"
as_postgres=
if [ "$(id -u)" = 0 ]; then as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi

mkdir -p "$data/run"
if [ -n "$as_postgres" ]; then chown postgres "$data" "$data/run"; fi
if [ ! -e "$data/pg/PG_VERSION" ]; then
	$as_postgres initdb -D "$data/pg" -A trust --locale=C --encoding=UTF8 >/dev/null
fi
$as_postgres postgres -D "$data/pg" -k "$data/run" >"$data/pg.log" 2>&1 &
pg=$!
mkdir -p "$data/redis"
redis-server --port 6379 --dir "$data/redis" >"$data/redis.log" &
redis=$!

mkdir -p "$data/nginx"
cat >"$data/nginx/nginx.conf" <<EOF
pid $data/nginx/pid; error_log $data/nginx/error.log; daemon off;
events {}
http {
	access_log off;
	client_body_temp_path $data/nginx/a; proxy_temp_path $data/nginx/b; fastcgi_temp_path $data/nginx/c;
	uwsgi_temp_path $data/nginx/d; scgi_temp_path $data/nginx/e;
	server {
		listen 8080;
		location /users/ { proxy_pass http://127.0.0.1:3001/; }
		location /orders/ { proxy_pass http://127.0.0.1:3002/; }
		location /inventory/ { proxy_pass http://127.0.0.1:3003/; }
	}
}
EOF
nginx -c "$data/nginx/nginx.conf" -e "$data/nginx/error.log" &
nginx=$!

until pg_isready -q -h 127.0.0.1; do sleep 0.01; done
sql() { $as_postgres psql -qAtX -h "$data/run" -d postgres "$@"; }
if [ -z "$(sql -c "select 1 from pg_database where datname = 'users'")" ]; then
	sql -c 'create database users' -c 'create database orders' -c 'create database inventory' \
		-c "do \$\$ begin if not exists (select from pg_roles where rolname = '$(id -un)') then create role \"$(id -un)\" superuser login; end if; end \$\$"
fi

pids=
port=3001
for name in user order inventory; do
	db=$name; case $name in user) db=users ;; order) db=orders ;; esac
	DATABASE_URL=postgresql://localhost:5432/$db $name-service --port $port >"$data/$name.log" 2>&1 &
	pids="$pids $!"
	port=$((port + 1))
done
# The subshell frees the descriptor. No command is started to poll a port.
ready() { (exec 3<>/dev/tcp/127.0.0.1/"$1") 2>/dev/null; }
for port in 3001 3002 3003 6379 8080; do
	until ready $port; do sleep 0.01; done
done
echo "all healthy"

read -r _ || true
kill -QUIT $nginx
# shellcheck disable=SC2086 # one word a process
kill -TERM $pids $redis
kill -INT $pg
wait
