package catalog

import "nix2gpu/project"

// seaweedfs keeps files and objects.
var seaweedfs = ServiceType{
	Name: "seaweedfs", Package: "seaweedfs", User: "seaweedfs",
	Doc: "SeaweedFS, which keeps files, and objects as S3 does: a master, a volume server and what else is enabled, in one process. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on, and the one that its parts give each other; \"0.0.0.0\" is all."},
		{"master", "set"},
		{"  port", "port = 9333", "The port of the master."},
		{"  grpcPort", "null port", "The port for other servers; 10000 above port unless set."},
		{"  defaultReplication", "string = 000", "Where copies go: how many to other data centers, racks and servers. \"000\" makes none."},
		{"  volumeSizeLimitMB", "positive = 1024", "How large a volume becomes before another one is written to."},
		{"volume", "set"},
		{"  port", "port = 8080", "The port of the volume server."},
		{"  grpcPort", "null port", "The port for other servers; 10000 above port unless set."},
		{"  max", "string = 8", "How many volumes there may be; \"0\" is as many as the disk has room for."},
		{"filer", "set"},
		{"  enable", "bool", "Whether there is a filer, which has files by path."},
		{"  port", "port = 8888", "Its port."},
		{"  grpcPort", "null port", "The port for other servers; 10000 above port unless set."},
		{"s3", "set"},
		{"  enable", "bool", "Whether objects can be reached as S3 has them; filer.enable must be true, too."},
		{"  port", "port = 8333", "The port for that."},
		{"  config", "null key", "A file that says who may do what, with their keys, as s3.json of SeaweedFS has it, read at each start with the rights of whoever starts nix2gpu. Without one, everybody may do everything."},
		{"extraArgs", "list string", "Further arguments of weed server."},
	},
	table: &table{
		extra: "extraArgs",
		endpoints: []endpoint{
			{name: "lead", port: "master.port", address: "host", ports: []string{"-master.port"}, hosts: []string{"-ip.bind"}},
			{name: "leadGrpc", above: "lead", address: "host", ports: []string{"-master.port.grpc", "master.grpcPort"}, hosts: []string{"-ip.bind"}},
			{name: "store", port: "volume.port", address: "host", ports: []string{"-volume.port"}, hosts: []string{"-ip.bind"}},
			{name: "storeGrpc", above: "store", address: "host", ports: []string{"-volume.port.grpc", "volume.grpcPort"}, hosts: []string{"-ip.bind"}},
			{name: "files", port: "filer.port", address: "host", ports: []string{"-filer.port"}, hosts: []string{"-ip.bind"}, when: "?filer.enable"},
			{name: "filesGrpc", above: "files", address: "host", ports: []string{"-filer.port.grpc", "filer.grpcPort"}, hosts: []string{"-ip.bind"}, when: "?filer.enable"},
			{name: "objects", port: "s3.port", address: "host", ports: []string{"-s3.port"}, hosts: []string{"-s3.ip.bind", "-ip.bind"}, when: "?s3.enable"},
			{name: "objectsGrpc", above: "objects", address: "host", ports: []string{"-s3.port.grpc"}, hosts: []string{"-s3.ip.bind", "-ip.bind"}, when: "?s3.enable"},
			{name: "iceberg", number: 8181, address: "host", ports: []string{"-s3.port.iceberg"}, hosts: []string{"-s3.ip.bind", "-ip.bind"}, when: "?s3.enable"},
			{name: "lance", number: 9101, address: "host", ports: []string{"-s3.port.lance"}, hosts: []string{"-s3.ip.bind", "-ip.bind"}, when: "?s3.enable"},
		},
		argv: []string{"{bin/weed}", "server", "-ip={lead.at}", "-ip.bind={lead.host}", "-dir={data/volume}", "-master.dir={data/master}",
			"-master.port={lead.port}", "-master.port.grpc={master.grpcPort}", "-master.defaultReplication={master.defaultReplication}", "-master.volumeSizeLimitMB={master.volumeSizeLimitMB}",
			"-volume.port={store.port}", "-volume.port.grpc={volume.grpcPort}", "-volume.max={volume.max}",
			"?filer.enable -filer", "?filer.enable -filer.port={files.port}", "?filer.enable -filer.port.grpc={filer.grpcPort}",
			"?s3.enable -s3", "?s3.enable -s3.port={objects.port}", "{extraArgs...}"},
		dirs:  []string{"{data} 0750 keep", "{data/master} 0750", "{data/volume} 0750"},
		ready: ready{listener: "store", http: "/healthz", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			// The last of them needs all others.
			for _, part := range []string{"files", "objects"} {
				if found := in.bounds[part]; len(found) > 0 {
					main.Readiness.HTTP.Host, main.Readiness.HTTP.Port = reachable(found[0].host), found[0].port
				}
			}
			s3 := in.Get("s3", "enable")
			if s3.Bool() && !in.Bool("filer", "enable") {
				s3.Errorf("s3 needs the filer\n  hint: set filer.enable = true")
			}
			if s3.Bool() && in.Has("s3", "config") {
				main.Command.Exec = append(main.Command.Exec, project.Join(project.Lit("-s3.config="), in.Lend(main, "s3", in.keyFile(in.Get("s3", "config")))))
			}
		},
	},
}
