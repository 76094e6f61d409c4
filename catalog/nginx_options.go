package catalog

import "nix2gpu/nix/module"

// nginxType is the web server, with the options of NixOS and services-flake.
func nginxType() *ServiceType {
	lines := func(doc string) module.Option { return def(module.Lines, "", doc) }
	flag := func(doc string) module.Option { return def(module.Bool, false, doc) }
	return &ServiceType{
		Name: "nginx", Package: "nginx", User: "www-data",
		Doc: "nginx, a web server and reverse proxy.",
		Options: module.Options{
			"port":         def(module.Port, 8080, "The port of virtual hosts that name none."),
			"virtualHosts": def(module.AttrsOf(module.Submodule(module.Schema{Options: virtualHostOptions()})), map[string]any{}, "The virtual hosts by name."),
			"upstreams":    def(module.AttrsOf(module.Submodule(module.Schema{Options: upstreamOptions()})), map[string]any{}, "Groups of servers that proxyPass can name."),

			"config":           lines("The whole configuration, instead of everything else here."),
			"prependConfig":    lines("Lines before everything else, such as load_module."),
			"appendConfig":     lines("Lines after everything else, outside http."),
			"eventsConfig":     lines("Lines of the events block."),
			"commonHttpConfig": lines("Lines of the http block before the virtual hosts."),
			"httpConfig":       lines("Lines of the http block after the virtual hosts: whole server and upstream blocks, for instance."),
			"appendHttpConfig": lines("Lines at the end of the http block."),
			"streamConfig":     lines("Lines of a stream block."),
			"defaultMimeTypes": opt(filePath, "A file of MIME types instead of the built-in ones."),
			"preStart":         lines("Not supported: use a custom service and depends_on."),

			"recommendedProxySettings":  flag("Pass the client's address and host on to every proxied server."),
			"recommendedGzipSettings":   flag("Compress what is text."),
			"recommendedTlsSettings":    flag("Session cache and modern protocols for TLS."),
			"recommendedOptimisation":   flag("sendfile, tcp_nopush and a keepalive of 65 seconds."),
			"recommendedBrotliSettings": flag("Not supported: the module is not part of nginx."),
			"recommendedZstdSettings":   flag("Not supported: the module is not part of nginx."),

			"clientMaxBodySize":         def(module.Like(module.String, "10m"), "10m", "How large a request may be."),
			"serverTokens":              flag("Whether answers show nginx's version."),
			"proxyTimeout":              def(module.Like(module.String, "60s"), "60s", "How long proxied servers may take, with recommendedProxySettings."),
			"logError":                  def(module.String, "stderr", "Where errors are logged, and the lowest level of them, such as \"stderr debug\"."),
			"statusPage":                flag("Serve /nginx_status to this machine, on port."),
			"defaultListenAddresses":    def(module.ListOf(module.String), []any{"0.0.0.0"}, "Addresses of virtual hosts that do not say where they listen."),
			"defaultHTTPListenPort":     opt(module.Port, "The same as port, in the words of NixOS."),
			"defaultSSLListenPort":      def(module.Port, 8443, "The port of virtual hosts with TLS that name none."),
			"sslProtocols":              def(module.String, "TLSv1.2 TLSv1.3", "TLS versions."),
			"sslCiphers":                opt(module.String, "TLS ciphers."),
			"sslDhparam":                opt(module.String, "A file of Diffie-Hellman parameters."),
			"workerProcesses":           def(module.OneOf(module.PositiveInt, module.Enum("auto")), 1, "How many workers there are."),
			"mapHashBucketSize":         opt(module.PositiveInt, "nginx's map_hash_bucket_size."),
			"mapHashMaxSize":            opt(module.PositiveInt, "nginx's map_hash_max_size."),
			"serverNamesHashBucketSize": opt(module.PositiveInt, "nginx's server_names_hash_bucket_size."),
			"serverNamesHashMaxSize":    opt(module.PositiveInt, "nginx's server_names_hash_max_size."),
			"resolver": {Set: module.Options{
				"addresses": def(module.ListOf(module.String), []any{}, "Name servers."),
				"valid":     def(module.String, "", "How long answers are kept."),
				"ipv6":      def(module.Bool, true, "Whether to ask for IPv6 addresses."),
			}},
			"requestId":    requestIDOption(),
			"group":        inert(module.String, "the group is that of the user"),
			"enableReload": inert(module.Bool, "a change restarts the service"),
		},
		Generate: generateNginx,
	}
}

func virtualHostOptions() module.Options {
	flag := func(doc string) module.Option { return def(module.Bool, false, doc) }
	key := func(doc string) module.Option { return opt(keyFile, doc) }
	file := func(doc string) module.Option { return opt(filePath, doc) }
	return module.Options{
		"serverName":    opt(module.String, "The name the host answers to; its own in virtualHosts unless set."),
		"serverAliases": def(module.ListOf(module.String), []any{}, "Further names that the host answers to."),
		"listen": def(module.ListOf(module.Submodule(module.Schema{Options: module.Options{
			"addr":            def(module.String, "0.0.0.0", "The address to listen on, or unix: and the path of a socket."),
			"port":            opt(module.Port, "The port to listen on; that of the service unless set."),
			"ssl":             flag("Speak TLS."),
			"proxyProtocol":   flag("Expect the PROXY protocol."),
			"extraParameters": def(module.ListOf(module.String), []any{}, "Further parameters of the listen directive."),
		}})), []any{}, "Where the host listens."),
		"listenAddresses": def(module.ListOf(module.String), []any{}, "Addresses with the default ports."),
		"default":         flag("Whether the host answers to every name that no other host has."),
		"root":            file("The folder to serve."),
		"locations":       def(module.AttrsOf(module.Submodule(module.Schema{Options: locationOptions()})), map[string]any{}, "What is served below a path."),
		"extraConfig":     def(module.Lines, "", "Further lines of the configuration, at this place."),

		"addSSL":                flag("Serve both http and https."),
		"onlySSL":               flag("Serve https only."),
		"forceSSL":              flag("Redirect http to https."),
		"rejectSSL":             flag("Refuse TLS for this name."),
		"sslCertificate":        file("The file of the certificate."),
		"sslCertificateKey":     key("The file of the certificate's key."),
		"sslTrustedCertificate": file("A file of the certificates of trusted authorities."),
		"enableACME":            flag("Not supported: get the certificate yourself."),
		"useACMEHost":           opt(module.String, "Not supported: get the certificate yourself."),
		"acmeRoot":              opt(module.String, "Not supported."),
		"http2":                 def(module.Bool, true, "Speak HTTP/2 where there is TLS."),
		"http3":                 inert(module.Bool, "nginx of Debian speaks no HTTP/3; drop it, or write the directives in extraConfig"),
		"quic":                  inert(module.Bool, "nginx of Debian speaks no QUIC"),
		"kTLS":                  inert(module.Bool, "TLS is nginx's own; write ssl_conf_command Options KTLS; in extraConfig where the kernel can do it"),
		"reuseport":             flag("Let every worker listen by itself."),
		"globalRedirect":        opt(module.String, "Redirect every request to this host."),
		"redirectCode":          def(module.IntRange("", 300, 399), 301, "The status of redirects."),
		"basicAuth":             def(module.AttrsOf(secretText), map[string]any{}, "Passwords by user. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret. See basicAuthFile."),
		"basicAuthFile":         key("A file of users and passwords, as htpasswd writes it."),
	}
}

func locationOptions() module.Options {
	return module.Options{
		"proxyPass":                opt(module.String, "Where to pass requests on."),
		"proxyWebsockets":          def(module.Bool, false, "Pass web sockets on as well."),
		"recommendedProxySettings": opt(module.Bool, "As the option of the same name of the service, which applies unless this one is set."),
		"root":                     opt(filePath, "The folder to serve; the path is appended to it."),
		"alias":                    opt(filePath, "The folder to serve in place of the path."),
		"index":                    opt(module.String, "The files that stand for a folder."),
		"tryFiles":                 opt(module.String, "Paths to try in order, as nginx's try_files."),
		"return":                   opt(module.OneOf(module.String, module.Int), "A status, and a text or address."),
		"extraConfig":              def(module.Lines, "", "Further lines of the configuration, at this place."),
		"priority":                 def(module.Int, 1000, "Locations are written in this order, lower ones first."),
		"fastcgiParams":            def(module.AttrsOf(module.String), map[string]any{}, "Parameters for a FastCGI server."),
		"basicAuth":                def(module.AttrsOf(secretText), map[string]any{}, "Passwords by user, as those of the host."),
		"basicAuthFile":            opt(keyFile, "A file of users and passwords."),
	}
}

func upstreamOptions() module.Options {
	return module.Options{
		"servers": def(module.AttrsOf(module.AttrsOf(module.OneOf(module.Bool, module.Int, module.String))), map[string]any{},
			"The servers by address, each with parameters such as weight and backup."),
		"service":     opt(module.String, "A custom service with a port: all of its replicas are servers."),
		"extraConfig": def(module.Lines, "", "Further lines of the upstream block, such as keepalive."),
	}
}
