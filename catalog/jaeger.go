package catalog

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// jaegerType collects traces; it is the all-in-one program of version 1.
func jaegerType() *ServiceType {
	return &ServiceType{
		Name: "jaeger", Package: "jaeger", User: "jaeger",
		Doc: "Jaeger, which collects traces. Written after its documentation, and not yet tried with a real server.",
		Options: module.Options{
			"port":          def(module.Port, 16686, "The port of the web interface."),
			"listenAddress": def(module.String, "127.0.0.1", "The address to listen on; \"\" is all."),
			"otlpGrpcPort":  def(module.Port, 4317, "The port for OTLP over gRPC."),
			"otlpHttpPort":  def(module.Port, 4318, "The port for OTLP over HTTP."),
			"adminPort":     def(module.Port, 14269, "The port for health and metrics."),
			"storage":       def(module.Enum("memory", "badger"), "memory", "Where traces are kept: in memory, or as files in dataDir."),
			"extraFlags":    def(module.ListOf(module.String), []any{}, "Further arguments of jaeger."),
		},
		Generate: func(in *Instance) {
			address := in.String("listenAddress")
			own := in.Strings("extraFlags")
			words := []project.Text{in.Program("jaeger-all-in-one")}
			admin := &project.HTTPCheck{Path: "/"}
			for _, f := range [][2]string{
				{"query.http-server.host-port", "port"}, {"collector.otlp.grpc.host-port", "otlpGrpcPort"},
				{"collector.otlp.http.host-port", "otlpHttpPort"}, {"admin.http.host-port", "adminPort"},
			} {
				host, port, path := address, in.Int(f[1]), []string{f[1]}
				if v, ok := flagValue(own, "--"+f[0]); ok {
					if h, n, ok := splitHostPort(v); ok {
						host, port, path = h, n, []string{"extraFlags"}
					}
				} else {
					words = append(words, litFlag(f[0], hostPort(address, port)))
				}
				in.Listen(port, everywhere(host), path...)
				if f[1] == "adminPort" {
					admin.Host, admin.Port = reachable(host), port
				}
			}
			main := in.Main(project.Command{})
			// Ports without an option here would listen on all addresses. Not every version
			// has all of them, but jaeger ignores unknown variables.
			others := map[string]int{
				"COLLECTOR_GRPC_SERVER_HOST_PORT": 14250, "COLLECTOR_HTTP_SERVER_HOST_PORT": 14268, "QUERY_GRPC_SERVER_HOST_PORT": 16685, "HTTP_SERVER_HOST_PORT": 5778,
				"PROCESSOR_ZIPKIN_COMPACT_SERVER_HOST_PORT": 5775, "PROCESSOR_JAEGER_COMPACT_SERVER_HOST_PORT": 6831, "PROCESSOR_JAEGER_BINARY_SERVER_HOST_PORT": 6832,
			}
			for _, name := range sortedKeys(others) {
				port := others[name]
				at := in.textOf(hostPort(address, port), []string{"environment", name})
				main.Env[name] = project.Value{Text: project.Lit(at)}
				if host, n, ok := splitHostPort(at); ok && (strings.HasPrefix(name, "COLLECTOR_") || strings.HasPrefix(name, "QUERY_")) {
					in.Listen(n, host, "environment", name) // the others went with the agent
				}
			}
			main.Env["SPAN_STORAGE_TYPE"] = project.Value{Text: project.Lit(in.String("storage"))}
			if in.String("storage") == "badger" {
				main.Dirs = []project.Dir{in.KeptData("0750")}
				words = append(words, litFlag("badger.ephemeral", "false"),
					flag("badger.directory-key", in.Data("/keys")), flag("badger.directory-value", in.Data("/values")))
			}
			for _, s := range in.Strs("extraFlags") {
				words = append(words, in.place.Text(s))
			}
			main.Command.Exec = words
			main.Readiness = &project.Probe{HTTP: admin, Period: slowStart}
		},
	}
}
