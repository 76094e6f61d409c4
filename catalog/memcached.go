package catalog

import "nix2gpu/project"

// memcached is a cache in memory.
var memcached = ServiceType{
	Name: "memcached", Package: "memcached", User: "memcache",
	Doc: "memcached, a cache in memory.",
	rows: []row{
		{"port", "port = 11211", "The port to listen on."},
		{"bind", "null string = 127.0.0.1", "The address to listen on; null or \"*\" is all."},
		{"listen", "alias bind"},
		{"enableUnixSocket", "bool", "Listen on the socket memcached.sock in the folder of its run, instead of an address and port."},
		{"maxMemory", "positive = 64", "How much memory the cache may fill, in MiB."},
		{"maxConnections", "positive = 1024", "How many clients may be connected."},
		{"startArgs", "list string", "Further arguments of memcached, in the words of services-flake."},
		{"extraOptions", "alias startArgs"},
	},
	table: &table{
		extra:  "startArgs",
		behind: []string{"-d --daemon"},
		endpoints: []endpoint{
			{name: "tcp", port: "port", address: "bind", ports: []string{"-p --port"}, hosts: []string{"-l --listen"}, socket: []string{"-s --unix-socket"}, anyHost: "*", when: "!enableUnixSocket"},
			{name: "udp", address: "bind", ports: []string{"-U --udp-port"}, hosts: []string{"-l --listen"}, socket: []string{"-s --unix-socket"}, udp: true, when: "!enableUnixSocket"},
		},
		argv: []string{"{bin/memcached}", "--port={tcp.port}", "--memory-limit={maxMemory}", "--conn-limit={maxConnections}", "--listen={tcp.hosts}",
			"?enableUnixSocket --unix-socket={run/memcached.sock}", "?enableUnixSocket --unix-mask=0777", // as open as a port of loopback
			"{startArgs...}"},
		dirs:  []string{"?enableUnixSocket {run} 0755"},
		ready: ready{listener: "tcp", protocol: "memcached"},
		finish: func(in *tableInstance, main *project.Process) {
			if in.Bool("enableUnixSocket") {
				main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "memcached", Socket: in.RunDir("/memcached.sock")}}
			}
		},
	},
}
