package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// memcachedType is a cache in memory.
func memcachedType() *ServiceType {
	return &ServiceType{
		Name: "memcached", Package: "memcached", User: "memcache",
		Doc: "memcached, a cache in memory.",
		Options: module.Options{
			"port":           def(module.Port, 11211, "The port to listen on."),
			"bind":           def(nullStr, "127.0.0.1", "The address to listen on; null or \"*\" is all."),
			"listen":         {AliasOf: []string{"bind"}},
			"maxMemory":      def(module.PositiveInt, 64, "How much memory the cache may fill, in MiB."),
			"maxConnections": def(module.PositiveInt, 1024, "How many clients may be connected."),
			"startArgs":      def(module.ListOf(module.String), []any{}, "Further arguments of memcached, in the words of services-flake."),
			"extraOptions":   {AliasOf: []string{"startArgs"}},
		},
		Generate: generateMemcached,
	}
}

func generateMemcached(in *Instance) {
	own := in.Strings("startArgs")
	bind := in.String("bind")
	if bind == "*" {
		bind = ""
	}
	port, portPath := in.Int("port"), []string{"port"}
	if v, ok := flagValue(own, "-p", "--port"); ok {
		port, _ = strconv.Atoi(v) // the server refuses anything that is not a number
		portPath = []string{"startArgs"}
	}
	words := []project.Text{in.Program("memcached"), litFlag("port", strconv.Itoa(port)),
		litFlag("memory-limit", strconv.Itoa(in.Int("maxMemory"))), litFlag("conn-limit", strconv.Itoa(in.Int("maxConnections")))}
	if v, ok := flagValue(own, "-l", "--listen"); ok { // else the server would listen on both
		bind = v
	} else if bind != "" {
		words = append(words, litFlag("listen", bind))
	}
	for _, s := range in.Strs("startArgs") {
		words = append(words, in.place.Text(s))
	}
	main := in.Main(project.Command{Exec: words})
	if socket, ok := flagValue(own, "-s", "--unix-socket"); ok { // instead of the network
		main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "memcached", Socket: in.place.Path(module.Str{S: socket})}}
		return
	}
	check := &project.ServerCheck{Protocol: "memcached"}
	udp := 0
	if v, ok := flagValue(own, "-U", "--udp-port"); ok {
		udp, _ = strconv.Atoi(v)
	}
	for _, address := range strings.Split(bind, ",") {
		at := port
		if host, n, ok := splitHostPort(address); ok && strings.ContainsAny(address, ".]") {
			address, at = host, n
		}
		in.Listen(at, everywhere(address), portPath...)
		in.listen(udp, "udp", everywhere(address), "startArgs")
		if check.Port == 0 {
			check.Host, check.Port = reachable(address), at
		}
	}
	main.Readiness = &project.Probe{Server: check}
}
