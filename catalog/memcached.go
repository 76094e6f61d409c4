package catalog

// memcached is a cache in memory.
var memcached = ServiceType{
	Name: "memcached", Package: "memcached", User: "memcache",
	Doc: "memcached, a cache in memory.",
	rows: []row{
		{"port", "port = 11211", "The port to listen on."},
		{"bind", "null string = 127.0.0.1", "The address to listen on; null or \"*\" is all."},
		{"listen", "alias bind"},
		{"maxMemory", "positive = 64", "How much memory the cache may fill, in MiB."},
		{"maxConnections", "positive = 1024", "How many clients may be connected."},
		{"startArgs", "list string", "Further arguments of memcached, in the words of services-flake."},
		{"extraOptions", "alias startArgs"},
	},
	table: &table{
		extra: "startArgs",
		endpoints: []endpoint{
			{name: "tcp", port: "port", address: "bind", ports: []string{"-p --port"}, hosts: []string{"-l --listen"}, socket: []string{"-s --unix-socket"}, anyHost: "*"},
			{name: "udp", address: "bind", ports: []string{"-U --udp-port"}, hosts: []string{"-l --listen"}, socket: []string{"-s --unix-socket"}, udp: true},
		},
		argv: []string{"{bin/memcached}", "--port={tcp.port}", "--memory-limit={maxMemory}", "--conn-limit={maxConnections}", "--listen={tcp.hosts}",
			"{startArgs...}"},
		ready: ready{listener: "tcp", protocol: "memcached"},
	},
}
