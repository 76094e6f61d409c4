package catalog

import "nix2gpu/nix/module"

// nginxType is the web server, with the options of NixOS and services-flake.
func nginxType() *ServiceType {
	return &ServiceType{
		Name: "nginx", Package: "nginx", User: "www-data",
		Doc: "nginx, a web server and reverse proxy.",
		rows: []option{
			{"port", "port", 8080, "The port of virtual hosts that name none."},
			{"config", "lines", nil, "The whole configuration, instead of everything else here."},
			{"prependConfig", "lines", nil, "Lines before everything else, such as load_module."},
			{"appendConfig", "lines", nil, "Lines after everything else, outside http."},
			{"eventsConfig", "lines", nil, "Lines of the events block."},
			{"commonHttpConfig", "lines", nil, "Lines of the http block before the virtual hosts."},
			{"httpConfig", "lines", nil, "Lines of the http block after the virtual hosts: whole server and upstream blocks, for instance."},
			{"appendHttpConfig", "lines", nil, "Lines at the end of the http block."},
			{"streamConfig", "lines", nil, "Lines of a stream block."},
			{"defaultMimeTypes", "null path", nil, "A file of MIME types instead of the built-in ones."},
			{"preStart", "lines", nil, "Not supported: use a custom service and depends_on."},
			{"recommendedProxySettings", "bool", nil, "Pass the client's address and host on to every proxied server."},
			{"recommendedGzipSettings", "bool", nil, "Compress what is text."},
			{"recommendedTlsSettings", "bool", nil, "Session cache and modern protocols for TLS."},
			{"recommendedOptimisation", "bool", nil, "sendfile, tcp_nopush and a keepalive of 65 seconds."},
			{"recommendedBrotliSettings", "bool", nil, "Not supported: the module is not part of nginx."},
			{"recommendedZstdSettings", "bool", nil, "Not supported: the module is not part of nginx."},
			{"serverTokens", "bool", nil, "Whether answers show nginx's version."},
			{"logError", "string", "stderr", "Where errors are logged, and the lowest level of them, such as \"stderr debug\"."},
			{"statusPage", "bool", nil, "Serve /nginx_status to this machine, on port."},
			{"defaultHTTPListenPort", "null port", nil, "The same as port, in the words of NixOS."},
			{"defaultSSLListenPort", "port", 8443, "The port of virtual hosts with TLS that name none."},
			{"sslProtocols", "string", "TLSv1.2 TLSv1.3", "TLS versions."},
			{"sslCiphers", "null string", nil, "TLS ciphers."},
			{"sslDhparam", "null string", nil, "A file of Diffie-Hellman parameters."},
			{"mapHashBucketSize", "null positive", nil, "nginx's map_hash_bucket_size."},
			{"mapHashMaxSize", "null positive", nil, "nginx's map_hash_max_size."},
			{"serverNamesHashBucketSize", "null positive", nil, "nginx's server_names_hash_bucket_size."},
			{"serverNamesHashMaxSize", "null positive", nil, "nginx's server_names_hash_max_size."},
			{"group", "inert string", nil, "the group is that of the user"},
			{"enableReload", "inert bool", nil, "a change restarts the service"},
		},
		Options: module.Options{
			"virtualHosts": def(module.AttrsOf(module.Submodule(module.Schema{Options: virtualHostOptions()})), map[string]any{}, "The virtual hosts by name."),
			"upstreams":    def(module.AttrsOf(module.Submodule(module.Schema{Options: upstreamOptions()})), map[string]any{}, "Groups of servers that proxyPass can name."),

			"clientMaxBodySize":      def(module.Like(module.String, "10m"), "10m", "How large a request may be."),
			"proxyTimeout":           def(module.Like(module.String, "60s"), "60s", "How long proxied servers may take, with recommendedProxySettings."),
			"defaultListenAddresses": def(module.ListOf(module.String), []any{"0.0.0.0"}, "Addresses of virtual hosts that do not say where they listen."),
			"workerProcesses":        def(module.OneOf(module.PositiveInt, module.Enum("auto")), 1, "How many workers there are."),
			"resolver": {Set: module.Options{
				"addresses": def(module.ListOf(module.String), []any{}, "Name servers."),
				"valid":     def(module.String, "", "How long answers are kept."),
				"ipv6":      def(module.Bool, true, "Whether to ask for IPv6 addresses."),
			}},
			"requestId": requestIDOption(),
		},
		Generate: generateNginx,
	}
}

func virtualHostOptions() module.Options {
	flag := func(doc string) module.Option { return def(module.Bool, false, doc) }
	return declare([]option{
		{"serverName", "null string", nil, "The name the host answers to; its own in virtualHosts unless set."},
		{"serverAliases", "list string", nil, "Further names that the host answers to."},
		{"listenAddresses", "list string", nil, "Addresses with the default ports."},
		{"default", "bool", nil, "Whether the host answers to every name that no other host has."},
		{"root", "null path", nil, "The folder to serve."},
		{"extraConfig", "lines", nil, "Further lines of the configuration, at this place."},
		{"addSSL", "bool", nil, "Serve both http and https."},
		{"onlySSL", "bool", nil, "Serve https only."},
		{"forceSSL", "bool", nil, "Redirect http to https."},
		{"rejectSSL", "bool", nil, "Refuse TLS for this name."},
		{"sslCertificate", "null path", nil, "The file of the certificate."},
		{"sslCertificateKey", "null key", nil, "The file of the certificate's key."},
		{"sslTrustedCertificate", "null path", nil, "A file of the certificates of trusted authorities."},
		{"enableACME", "bool", nil, "Not supported: get the certificate yourself."},
		{"useACMEHost", "null string", nil, "Not supported: get the certificate yourself."},
		{"acmeRoot", "null string", nil, "Not supported."},
		{"http2", "bool", true, "Speak HTTP/2 where there is TLS."},
		{"http3", "inert bool", nil, "nginx of Debian speaks no HTTP/3; drop it, or write the directives in extraConfig"},
		{"quic", "inert bool", nil, "nginx of Debian speaks no QUIC"},
		{"kTLS", "inert bool", nil, "TLS is nginx's own; write ssl_conf_command Options KTLS; in extraConfig where the kernel can do it"},
		{"reuseport", "bool", nil, "Let every worker listen by itself."},
		{"globalRedirect", "null string", nil, "Redirect every request to this host."},
		{"basicAuth", "attrs secret", nil, "Passwords by user. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret. See basicAuthFile."},
		{"basicAuthFile", "null key", nil, "A file of users and passwords, as htpasswd writes it."},
	}, module.Options{
		"listen": def(module.ListOf(module.Submodule(module.Schema{Options: module.Options{
			"addr":            def(module.String, "0.0.0.0", "The address to listen on, or unix: and the path of a socket."),
			"port":            opt(module.Port, "The port to listen on; that of the service unless set."),
			"ssl":             flag("Speak TLS."),
			"proxyProtocol":   flag("Expect the PROXY protocol."),
			"extraParameters": def(module.ListOf(module.String), []any{}, "Further parameters of the listen directive."),
		}})), []any{}, "Where the host listens."),
		"locations": def(module.AttrsOf(module.Submodule(module.Schema{Options: locationOptions()})), map[string]any{}, "What is served below a path."),

		"redirectCode": def(module.IntRange("", 300, 399), 301, "The status of redirects."),
	})
}

func locationOptions() module.Options {
	return declare([]option{
		{"proxyPass", "null string", nil, "Where to pass requests on."},
		{"proxyWebsockets", "bool", nil, "Pass web sockets on as well."},
		{"recommendedProxySettings", "null bool", nil, "As the option of the same name of the service, which applies unless this one is set."},
		{"root", "null path", nil, "The folder to serve; the path is appended to it."},
		{"alias", "null path", nil, "The folder to serve in place of the path."},
		{"index", "null string", nil, "The files that stand for a folder."},
		{"tryFiles", "null string", nil, "Paths to try in order, as nginx's try_files."},
		{"extraConfig", "lines", nil, "Further lines of the configuration, at this place."},
		{"priority", "int", 1000, "Locations are written in this order, lower ones first."},
		{"fastcgiParams", "attrs string", nil, "Parameters for a FastCGI server."},
		{"basicAuth", "attrs secret", nil, "Passwords by user, as those of the host."},
		{"basicAuthFile", "null key", nil, "A file of users and passwords."},
	}, module.Options{
		"return": opt(module.OneOf(module.String, module.Int), "A status, and a text or address."),
	})
}

func upstreamOptions() module.Options {
	return declare([]option{
		{"service", "null string", nil, "A custom service with a port: all of its replicas are servers."},
		{"extraConfig", "lines", nil, "Further lines of the upstream block, such as keepalive."},
	}, module.Options{
		"servers": def(module.AttrsOf(module.AttrsOf(module.OneOf(module.Bool, module.Int, module.String))), map[string]any{},
			"The servers by address, each with parameters such as weight and backup."),
	})
}
