package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// minioType keeps objects as S3 does.
func minioType() *ServiceType {
	return &ServiceType{
		Name: "minio", Package: "minio", User: "minio",
		Doc: "MinIO, which keeps objects as S3 does. Written after its documentation, and not yet tried with a real server.",
		Options: module.Options{
			"host":           def(module.String, "127.0.0.1", "The address to listen on."),
			"port":           def(module.Port, 9000, "The port to listen on."),
			"consoleAddress": def(module.String, "127.0.0.1:9001", "Where the web interface listens."),
			"accessKey":      opt(secretText, "The name of the first user; MinIO's own default unless set. Also `{ secret = \"name\"; }`."),
			"accessKeyFile":  opt(keyFile, "A file that holds the access key."),
			"secretKey":      opt(secretText, "The password of the first user; MinIO's own default, which everyone knows, unless set. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."),
			"secretKeyFile":  opt(keyFile, "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."),
			"region":         def(module.String, "us-east-1", "The region that the server says it is in."),
			"browser":        def(module.Bool, true, "Whether there is a web interface."),
			"buckets":        def(module.ListOf(module.Matching("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "name of a bucket")), []any{}, "Buckets to make when they do not exist."),
		},
		Generate: func(in *Instance) {
			port, host := in.Int("port"), in.String("host")
			main := in.Main(project.Command{Exec: []project.Text{in.Program("minio"), project.Lit("server"), litFlag("address", hostPort(host, port)),
				litFlag("console-address", in.String("consoleAddress")), flag("config-dir", in.Data("/config")), in.Data("/data")}})
			main.Dirs = []project.Dir{in.KeptData("0750"), {Path: in.Data("/config"), Mode: "0750"}, {Path: in.Data("/data"), Mode: "0750"}}
			for _, bucket := range in.Strings("buckets") { // a folder of the data is a bucket
				main.Dirs = append(main.Dirs, project.Dir{Path: in.Data("/data/" + bucket), Mode: "0750"})
			}
			user, password := in.secretText(in.Config, "accessKey", "accessKey"), in.secretText(in.Config, "secretKey", "secretKey")
			if user != nil || password != nil { // MinIO needs both or neither
				main.Env["MINIO_ROOT_USER"] = project.Value{Text: orText(user, minioDefault)}
				main.Env["MINIO_ROOT_PASSWORD"] = project.Value{Text: orText(password, minioDefault), Secret: true}
			}
			main.Env["MINIO_REGION"] = project.Value{Text: project.Lit(in.String("region"))}
			main.Env["MINIO_BROWSER"] = project.Value{Text: project.Lit(onOff(in.Bool("browser")))}
			main.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Host: reachable(host), Port: port, Path: "/minio/health/live"}, Period: slowStart}
			in.Listen(port, everywhere(host), "port")
			if h, n, ok := splitHostPort(in.String("consoleAddress")); ok && in.Bool("browser") {
				in.Listen(n, h, "consoleAddress")
			}
		},
	}
}

// minioDefault is the name and the password of the first user, unless one is set.
const minioDefault = "minioadmin"

func orText(t project.Text, def string) project.Text {
	if t == nil {
		return project.Lit(def)
	}
	return t
}
