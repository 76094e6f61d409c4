package catalog

import (
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// jaegerType collects traces; it is the all-in-one program of version 1.
func jaegerType() *ServiceType {
	return &ServiceType{
		Name: "jaeger", Package: "jaeger", User: "jaeger|nobody",
		Doc: "Jaeger, which collects traces. Written after its documentation, and not yet tried with a real server.",
		Options: module.Options{
			"port":          def(module.Port, 16686, "The port of the web interface."),
			"listenAddress": def(module.String, "127.0.0.1", "The address to listen on; \"\" is all."),
			"otlpGrpcPort":  def(module.Port, 4317, "The port for OTLP over gRPC."),
			"otlpHttpPort":  def(module.Port, 4318, "The port for OTLP over HTTP."),
			"adminPort":     def(module.Port, 14269, "The port for health and metrics."),
			"storage":       def(module.Enum("memory", "badger"), "memory", "Where traces are kept: in memory, or as files in dataDir."),
			"extraFlags":    def(module.ListOf(module.String), []any{}, "More arguments."),
		},
		Generate: func(in *Instance) {
			address := in.String("listenAddress")
			words := []project.Text{in.Program("jaeger-all-in-one")}
			for _, f := range [][2]string{
				{"query.http-server.host-port", "port"}, {"collector.otlp.grpc.host-port", "otlpGrpcPort"},
				{"collector.otlp.http.host-port", "otlpHttpPort"}, {"admin.http.host-port", "adminPort"},
			} {
				port := in.Int(f[1])
				words = append(words, litFlag(f[0], address+":"+strconv.Itoa(port)))
				listen := address
				if listen == "" {
					listen = "*"
				}
				in.Listen(port, listen, f[1])
			}
			main := in.Main(project.Command{})
			main.Env["SPAN_STORAGE_TYPE"] = project.Value{Text: project.Lit(in.String("storage"))}
			if in.String("storage") == "badger" {
				main.Dirs = []project.Dir{{Path: in.DataDir(), Mode: "0750"}}
				words = append(words, litFlag("badger.ephemeral", "false"),
					flag("badger.directory-key", in.Data("/keys")), flag("badger.directory-value", in.Data("/values")))
			}
			for _, s := range in.Strs("extraFlags") {
				words = append(words, in.place.Text(s))
			}
			main.Command.Exec = words
			main.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Host: reachable(address), Port: in.Int("adminPort"), Path: "/"}, Period: slowStart}
		},
	}
}
