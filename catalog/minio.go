package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// minio keeps objects as S3 does.
var minio = ServiceType{
	Name: "minio", Package: "minio", User: "minio",
	Doc: "MinIO, which keeps objects as S3 does. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on."},
		{"port", "port = 9000", "The port to listen on."},
		{"listenAddress", "null string", "Where to listen, as address:port, instead of host and port, in the words of NixOS."},
		{"consoleAddress", "string = 127.0.0.1:9001", "Where the web interface listens."},
		{"accessKey", "null secret", "The name of the first user; MinIO's own default unless set. Also `{ secret = \"name\"; }`."},
		{"accessKeyFile", "null key", "A file that holds the access key."},
		{"secretKey", "null secret", "The password of the first user; MinIO's own default, which everyone knows, unless set. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"secretKeyFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"rootCredentialsFile", "null file", "A file of lines MINIO_ROOT_USER=… and MINIO_ROOT_PASSWORD=…, instead of accessKey and secretKey."},
		{"configDir", "null file", "The folder of settings; config in dataDir unless set."},
		{"certificatesDir", "null file", "The folder of TLS certificates, as MinIO wants it."},
		{"region", "string = us-east-1", "The region that the server says it is in."},
		{"browser", "bool = true", "Whether there is a web interface."},
		{"buckets", "list bucket", "Buckets to make when they do not exist."},
	},
	table: &table{
		endpoints: []endpoint{
			{name: "api", port: "port", address: "host", both: []string{"listenAddress"}},
			{name: "console", both: []string{"consoleAddress"}, when: "?browser"},
		},
		argv:  []string{"{bin/minio}", "server", "--address={api}", "--console-address={consoleAddress}", "?configDir --config-dir={configDir}", "!configDir --config-dir={data/config}", "--certs-dir={certificatesDir}", "{data/data}"},
		env:   []string{"MINIO_SITE_REGION={region}"},
		dirs:  []string{"{data} 0750 keep", "{data/config} 0750", "{data/data} 0750"},
		ready: ready{listener: "api", http: "/minio/health/cluster", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			if in.Has("rootCredentialsFile") {
				main.EnvFiles = append(main.EnvFiles, in.Path("rootCredentialsFile"))
			}
			for _, bucket := range in.Strings("buckets") { // a folder of the data is a bucket
				main.Dirs = append(main.Dirs, project.Dir{Path: in.Data("/data/" + bucket), Mode: "0750"})
			}
			user, password := in.secretText(in.Config, "accessKey", "accessKey"), in.secretText(in.Config, "secretKey", "secretKey")
			for option, least := range map[string]int{"accessKey": 3, "secretKey": 8} {
				if c := in.Get(option); c.Kind() == module.KindStr && len(c.String()) < least {
					c.Errorf("%s must have %d characters or more for MinIO, not %d", option, least, len(c.String()))
				}
			}
			if user != nil || password != nil { // MinIO needs both or neither
				main.Env["MINIO_ROOT_USER"] = project.Value{Text: orText(user, minioDefault)}
				main.Env["MINIO_ROOT_PASSWORD"] = project.Value{Text: orText(password, minioDefault), Secret: true}
			}
			main.Env["MINIO_BROWSER"] = project.Value{Text: project.Lit(onOff(in.Bool("browser")))}
		},
	},
}

// minioDefault is the name and the password of the first user, unless one is set.
const minioDefault = "minioadmin"

func orText(t project.Text, def string) project.Text {
	if t == nil {
		return project.Lit(def)
	}
	return t
}
