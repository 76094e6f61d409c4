package catalog

import (
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// memcachedType is a cache in memory.
func memcachedType() *ServiceType {
	return &ServiceType{
		Name: "memcached", Package: "memcached", User: "memcache|memcached|nobody",
		Doc: "memcached, a cache in memory.",
		Options: module.Options{
			"port":           def(module.Port, 11211, "The port to listen on."),
			"bind":           def(nullStr, "127.0.0.1", "The address to listen on; null or \"*\" is all."),
			"listen":         {AliasOf: []string{"bind"}},
			"maxMemory":      def(module.PositiveInt, 64, "How much it keeps, in MiB."),
			"maxConnections": def(module.PositiveInt, 1024, "How many clients may be connected."),
			"startArgs":      def(module.ListOf(module.String), []any{}, "More arguments, in the words of services-flake."),
			"extraOptions":   {AliasOf: []string{"startArgs"}},
		},
		Generate: func(in *Instance) {
			bind := in.String("bind")
			if bind == "*" {
				bind = ""
			}
			words := []project.Text{in.Program("memcached"), litFlag("port", strconv.Itoa(in.Int("port"))),
				litFlag("memory-limit", strconv.Itoa(in.Int("maxMemory"))), litFlag("conn-limit", strconv.Itoa(in.Int("maxConnections")))}
			address := "*"
			if bind != "" {
				address = bind
				words = append(words, litFlag("listen", bind))
			}
			for _, s := range in.Strs("startArgs") {
				words = append(words, in.place.Text(s))
			}
			main := in.Main(project.Command{Exec: words})
			main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "memcached", Host: reachable(bind), Port: in.Int("port")}}
			in.Listen(in.Int("port"), address, "port")
		},
	}
}
