package catalog

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// httpdServer is the Apache web server, with the options of NixOS.
var httpdServer = ServiceType{
	Name: "apache-httpd", Aliases: []string{"httpd"}, Package: "apacheHttpd", User: "www-data",
	Doc: "Apache, a web server.",
	rows: []row{
		{"port", "port = 8081", "The port of virtual hosts that name none; beside configFile, one where that file has Apache listen."},
		{"extraConfig", "lines", "Further lines of the configuration, at this place."},
		{"sslPort", "port = 8444", "The port of virtual hosts with TLS that name none."},
		{"extraModules", "list string | {}", "Further modules to load, by name, such as \"status\", or with the path of the file."},
		{"  name", "required string", "The name of the module."},
		{"  path", "required file", "The file of the module."},
		{"adminAddr", "null string", "The mail address of whoever runs the server."},
		{"logFormat", "string = none", "How requests are logged: common, combined or none."},
		{"logLevel", "string = warn", "The lowest level of errors that are logged."},
		{"mpm", "enum event worker prefork", "How requests are spread over processes."},
		{"maxClients", "positive = 150", "How many requests are served at once."},
		{"maxRequestsPerChild", "unsigned = 0", "After how many requests a process is replaced; 0 is never."},
		{"sslProtocols", "string = All -SSLv2 -SSLv3 -TLSv1 -TLSv1.1", "TLS versions."},
		{"sslCiphers", "null string", "TLS ciphers."},
		{"configFile", "null file", "A configuration instead of everything else here. Set port to where it has Apache listen: there Apache is asked whether it is ready. Else it counts as ready once it runs."},
		{"enablePHP", "refused bool", "pass requests to php-fpm with proxyPass"},
		{"phpPackage", "refused package", "pass requests to php-fpm with proxyPass"},
		{"phpOptions", "refused lines", "pass requests to php-fpm with proxyPass, and set its phpOptions"},
		{"enablePerl", "refused bool", "name the module in extraModules"},
		{"enableMellon", "refused bool", "name the module in extraModules"},
		{"logDir", "null file", "A folder to log to, instead of nix2gpu's logs."},
		{"logPerVirtualHost", "bool = true", "Whether virtual hosts have files of their own in logDir."},
		{"requestId", "set"},
		{"  enable", "bool", requestIDDoc},
		{"acme", "set"},
		{"  acceptTerms", "bool", acmeTermsDoc},
		{"  email", "null string ~ me@example.org", acmeEmailDoc},
		{"  server", acmeServer, acmeServerDoc},
		{"  caFile", "null file", acmeCADoc},
		{"virtualHosts", "attrs {}", "The virtual hosts by name."},
		{"  hostName", "null string", "The name the host answers to; its own in virtualHosts unless set."},
		{"  serverAliases", "list string", "Further names that the host answers to."},
		{"  listen", "list {}", "Where the host listens."},
		{"    ip", "string = *", "The address to listen on; \"*\" is all."},
		{"    port", "null port", "The port to listen on; that of the service unless set."},
		{"    ssl", "bool", "Speak TLS."},
		{"  listenAddresses", "list string = [ \"*\" ]", "Addresses with the default ports, where listen is not set."},
		{"  http2", "bool = true", "Speak HTTP/2 where there is TLS."},
		{"  enableUserDir", "bool", "Serve ~/public_html of each user as /~user."},
		{"  documentRoot", "null file", "The folder to serve."},
		{"  servedDirs", "list {}", "Further folders to serve, each below a path."},
		{"    urlPath", "required string", "The path of the URL."},
		{"    dir", "required file", "The folder to serve."},
		{"  servedFiles", "list {}", "Further files to serve, each at a path."},
		{"    urlPath", "required string", "The path of the URL."},
		{"    file", "required file", "The file to serve."},
		{"  locations", "attrs {}", "What is served below a path."},
		{"    proxyPass", "null string", "Where to pass requests on."},
		{"    index", "null string", "The files that stand for a folder."},
		{"    alias", "null file", "The folder to serve in place of the path."},
		{"    extraConfig", "lines", "Further lines of the configuration, at this place."},
		{"    priority", "int = 1000", "Locations are written in this order, lower ones first."},
		{"  globalRedirect", "null string", "Redirect every request to this address."},
		{"  robotsEntries", "lines", "What robots.txt says."},
		{"  extraConfig", "lines", "Further lines of the configuration, at this place."},
		{"  adminAddr", "null string", "The mail address of whoever runs the server."},
		{"  addSSL", "bool", "Serve both http and https."},
		{"  onlySSL", "bool", "Serve https only."},
		{"  forceSSL", "bool", "Redirect http to https."},
		{"  sslServerCert", "null file", "The file of the certificate."},
		{"  sslServerKey", "null key", "The file of the certificate's key."},
		{"  sslServerChain", "null file", "A file of the certificates between the server's and the authority's."},
		{"  enableACME", "bool", enableACMEDoc},
		{"  useACMEHost", "null string", useACMEDoc},
		{"  acmeRoot", "null file", acmeRootDoc},
		{"  logFormat", "null string", "How requests are logged: common, combined, or none unless set."},
	},
	Generate: generateHttpd,
}

// httpdModules are loaded always, in an order that satisfies each of them.
// Debian has some of them within the program, so each is loaded if it is
// missing.
var httpdModules = strings.Fields(`unixd log_config authn_core authn_file authz_core authz_host authz_user auth_basic access_compat
	mime dir alias autoindex negotiation env setenvif headers filter deflate expires rewrite reqtimeout
	proxy proxy_http proxy_wstunnel proxy_fcgi`)

type httpd struct {
	*Instance
	*textBuilder
	main    *project.Process
	listens []listener
	own     []listener // by lines of the user's own
	ssl     bool
	acme    *acme

	userDirs bool
	robots   int // files of robotsEntries so far
}

// httpdListen finds what a text of the user's listens on.
var httpdListen = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?im)^[ \t]*Listen[ \t]+"?([^\s"]+)`)
})

// httpdPidFile finds where a text of the user's has Apache write its number.
var httpdPidFile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?im)^[ \t]*PidFile[ \t]`) })

func generateHttpd(in *Instance) {
	h := &httpd{Instance: in, textBuilder: &textBuilder{}}
	file := in.RunDir("/httpd.conf")
	if in.Has("configFile") {
		file = in.Path("configFile")
		in.whole("configFile", "port")
	}
	h.main = in.Main(project.Command{Exec: []project.Text{in.Program("httpd"), project.Lit("-DFOREGROUND"), project.Lit("-d"), in.DataDir(), project.Lit("-f"), file}})
	h.main.Dirs = []project.Dir{{Path: in.DataDir()}, {Path: in.RunDir("")}}
	h.main.Test = &project.ConfigTest{
		Command:      project.Command{Exec: []project.Text{in.Program("httpd"), project.Lit("-t"), project.Lit("-d"), in.DataDir(), project.Lit("-f"), file}},
		Inconclusive: []string{"Could not resolve host"},
	}
	if in.Has("configFile") {
		h.own = in.listensByFile()
	} else {
		body := &textBuilder{}
		head := h.textBuilder
		h.acme = newACME(in, "hostName", "sslServerCert", "sslServerKey", "sslServerChain")
		h.textBuilder = body // the hosts say which modules and ports are needed
		h.hosts()
		in.unusedPort(append(h.listens, h.own...))
		h.textBuilder = head
		h.head()
		h.add(body.text)
		h.lines(in.Text("extraConfig"))
		if httpdPidFile().MatchString(in.String("extraConfig")) {
			h.acme.pidElsewhere("extraConfig", "PidFile")
		}
		h.acme.add(h.main, in.RunDir("/httpd.pid"), file, syscall.SIGUSR1) // as apachectl graceful
		h.main.Files = append(h.main.Files,                                // beside what is lent
			project.File{Path: file, Content: h.text, Escape: quotes},
			project.File{Path: in.RunDir("/mime.types"), Content: project.Lit(strings.TrimSpace(mimeTable) + "\n")})
	}
	seen := map[string]bool{}
	all := append(h.listens, h.own...)
	for _, l := range all {
		if at := hostPort(everywhere(l.addr), l.port); !seen[at] { // several hosts on one
			seen[at] = true
			in.Listen(l.port, everywhere(l.addr), l.path...)
		}
	}
	if len(all) > 0 {
		h.main.Readiness = askWeb(reachable(all[0].addr), all[0].port)
	}
	h.main.Shutdown.Signal = project.SIGTERM
	h.main.Shutdown.ParentOnly = true
}

// quoted is a word of the configuration that may hold places.
func (h *httpd) directive(name string, value project.Text, more string) {
	escaped := slices.Clone(value)
	for i, p := range escaped {
		if p.IsLiteral() {
			escaped[i].Literal = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.Literal)
		}
	}
	h.add(project.Lit(h.pad()+name+` "`), escaped, project.Lit(`"`+more+"\n"))
}

func (h *httpd) section(name, argument string, body func()) {
	h.line("<%s %s>", name, argument)
	h.indent++
	body()
	h.indent--
	h.line("</%s>", name)
}

func (h *httpd) head() {
	h.directive("PidFile", h.RunDir("/httpd.pid"), "")
	h.directive("DefaultRuntimeDir", h.RunDir(""), "")
	h.line("ServerName localhost")
	if h.Has("adminAddr") {
		h.line("ServerAdmin %s", h.String("adminAddr"))
	}
	names := append([]string{"mpm_" + h.String("mpm")}, httpdModules...)
	if h.ssl {
		names = append(names, "socache_shmcb", "ssl", "http2")
	}
	if h.Bool("requestId", "enable") {
		names = append(names, "unique_id")
	}
	if h.userDirs {
		names = append(names, "userdir")
	}
	modules := trimSuffix(h.Program("httpd"), "/bin/httpd")
	load := func(name string, file project.Text) {
		h.section("IfModule", "!"+name+"_module", func() { h.directive("LoadModule "+name+"_module", file, "") })
	}
	own := func(name string) { load(name, project.Join(modules, project.Lit("/modules/mod_"+name+".so"))) }
	for _, name := range names {
		own(name)
	}
	for _, c := range h.List("extraModules") {
		if c.Kind() == module.KindAttrs {
			load(c.String("name"), h.place.Path(c.Str("path")))
		} else {
			own(c.String())
		}
	}
	h.section("IfModule", "unixd_module", func() {
		h.line("User www-data") // without effect unless it starts as root
		h.line("Group www-data")
	})
	seen := map[string]bool{}
	for _, l := range h.listens {
		address := strconv.Itoa(l.port)
		if !wildcard(l.addr) {
			address = hostPort(l.addr, l.port)
		}
		if !seen[address] {
			seen[address] = true
			h.line("Listen %s", address)
		}
	}
	if h.Has("logDir") {
		h.main.Dirs = append(h.main.Dirs, project.Dir{Path: h.Path("logDir"), Mode: "0750", Keep: true})
		h.directive("ErrorLog", h.logFile("error.log"), "")
	} else {
		h.line("ErrorLog /dev/stderr")
		h.line(`ErrorLogFormat "[%%l] %%M"`)
		if h.IsSet("logPerVirtualHost") {
			h.note(h.Get("logPerVirtualHost"), "logPerVirtualHost has no effect: without logDir, all logs are nix2gpu's")
		}
	}
	h.line("LogLevel %s", h.String("logLevel"))
	id, format := "", h.String("logFormat")
	if h.Bool("requestId", "enable") {
		id = " request_id=%{X-Request-ID}i"
		if format == "none" {
			format = "common"
		}
		h.line(`RequestHeader set X-Request-ID "%%{UNIQUE_ID}e" "expr=!(%%{HTTP:X-Request-ID} =~ m#%s#)"`, goodRequestID)
		h.line(`Header always unset X-Request-ID`) // one of a server that the request was passed on to
		h.line(`Header unset X-Request-ID`)
		h.line(`Header always set X-Request-ID "expr=%%{req:X-Request-ID}"`)
	}
	h.line(`LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b%s" common`, id)
	h.line(`LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b \"%%{Referer}i\" \"%%{User-agent}i\"%s" combined`, id)
	h.customLog(format, "access.log")
	h.line("ServerTokens Prod")
	h.line("MaxRequestWorkers %d", h.Int("maxClients"))
	h.line("MaxConnectionsPerChild %d", h.Int("maxRequestsPerChild"))
	h.line("KeepAlive On")
	h.directive("TypesConfig", h.RunDir("/mime.types"), "")
	h.line("DirectoryIndex index.html")
	if h.ssl {
		h.line("SSLSessionCache none")
		h.line("SSLProtocol %s", h.String("sslProtocols"))
		if h.Has("sslCiphers") {
			h.line("SSLCipherSuite %s", h.String("sslCiphers"))
		}
	}
	h.section("Directory", "/", func() {
		h.line("AllowOverride None")
		h.line("Require all denied")
	})
}

func (h *httpd) customLog(format, file string) {
	switch {
	case format == "" || format == "none":
	case h.Has("logDir"):
		h.directive("CustomLog", h.logFile(file), " "+format)
	default:
		h.line("CustomLog /dev/stdout %s", format)
	}
}

// logFile is a file in the folder that logDir names.
func (h *httpd) logFile(name string) project.Text {
	return project.Join(h.Path("logDir"), project.Lit("/"+strings.ReplaceAll(name, "/", "_")))
}

func (h *httpd) hosts() {
	hosts := h.Each("virtualHosts")
	for _, c := range hosts {
		h.host(c)
	}
	for _, m := range httpdListen().FindAllStringSubmatch(h.String("extraConfig"), -1) {
		if addr, port, ok := splitHostPort(m[1]); ok {
			h.own = append(h.own, listener{addr, port, []string{"extraConfig"}})
		}
	}
	if len(hosts) == 0 && len(h.own) == 0 {
		h.listens = append(h.listens, listener{"*", h.Int("port"), []string{"port"}})
		h.section("Location", "/", func() {
			h.line("Require all granted")
			h.line(`Redirect 503 "/"`)
			h.line(`ErrorDocument 503 "apache-httpd is running; set virtualHosts or extraConfig"`)
		})
	}
}

func (h *httpd) host(c *module.Config) {
	addresses := map[bool][]string{} // by whether TLS is spoken there
	for _, l := range c.List("listen") {
		port := cmp.Or(l.Int("port"), h.Int("port"))
		h.listens = append(h.listens, listener{l.String("ip"), port, []string{"virtualHosts", c.Name(), "listen"}})
		addresses[l.Bool("ssl")] = append(addresses[l.Bool("ssl")], hostPort(l.String("ip"), port))
	}
	if len(addresses) == 0 {
		secure := c.Bool("addSSL") || c.Bool("onlySSL") || c.Bool("forceSSL")
		for _, at := range c.Strings("listenAddresses") {
			for i, option := range []string{"port", "sslPort"} {
				ssl := i == 1
				if ssl && secure || !ssl && !c.Bool("onlySSL") {
					h.listens = append(h.listens, listener{at, h.Int(option), []string{option}})
					addresses[ssl] = append(addresses[ssl], hostPort(at, h.Int(option)))
				}
			}
		}
	} else {
		for _, name := range []string{"listenAddresses", "addSSL", "onlySSL"} {
			if c.IsSet(name) {
				h.note(c.Get(name), "%s has no effect: listen says where and how", name)
			}
		}
	}
	ssl := len(addresses[true]) > 0
	if certificate, _ := h.acme.certificate(c); ssl && certificate == nil && (!c.Has("sslServerCert") || !c.Has("sslServerKey")) {
		c.Errorf("virtual host %q serves TLS, and needs sslServerCert and sslServerKey, or enableACME", c.Name())
	}
	h.acme.plain(c, len(addresses[false]) > 0)
	h.ssl = h.ssl || ssl
	for _, secure := range []bool{false, true} {
		if len(addresses[secure]) > 0 {
			h.section("VirtualHost", strings.Join(addresses[secure], " "), func() {
				if c.Bool("forceSSL") && ssl && !secure {
					h.names(c)
					_, port, _ := splitHostPort(addresses[true][0])
					if h.challenges(c); h.acme.of[c.Name()] != nil {
						h.line("RewriteCond %%{REQUEST_URI} !^/\\.well-known/acme-challenge/")
					}
					h.line("RewriteEngine on")
					h.line("RewriteRule ^ https://%%{SERVER_NAME}:%d%%{REQUEST_URI} [R=301,L]", port)
				} else {
					h.hostBody(c, secure)
				}
			})
		}
	}
}

// names writes which names a host answers to.
func (h *httpd) names(c *module.Config) {
	name := c.Name()
	if c.Has("hostName") {
		name = c.String("hostName")
	}
	h.line("ServerName %s", name)
	for _, alias := range c.Strings("serverAliases") {
		h.line("ServerAlias %s", alias)
	}
}

func (h *httpd) hostBody(c *module.Config, ssl bool) {
	h.names(c)
	if c.Has("adminAddr") {
		h.line("ServerAdmin %s", c.String("adminAddr"))
	}
	if ssl {
		h.line("SSLEngine on")
		if c.Bool("http2") {
			h.line("Protocols h2 http/1.1")
		}
		if certificate, _ := h.acme.certificate(c); certificate != nil {
			h.directive("SSLCertificateFile", certificate, "") // its key is in it
		}
		for _, d := range [][3]string{{"SSLCertificateFile", "sslServerCert", "cert"}, {"SSLCertificateKeyFile", "sslServerKey", "key"}, {"SSLCertificateChainFile", "sslServerChain", "chain"}} {
			if c.Has(d[1]) {
				h.directive(d[0], h.Lend(h.main, d[2], h.keyFile(c.Get(d[1]))), "")
			}
		}
	}
	h.hostLogs(c)
	if c.Bool("enableUserDir") {
		h.userDirs = true
		h.line("UserDir public_html")
		h.line("UserDir disabled root")
		h.granted(project.Lit("/home/*/public_html"))
	}
	if text := h.place.Text(c.Str("robotsEntries")); !text.IsEmpty() {
		h.robots++
		file := h.RunDir(fmt.Sprintf("/robots.%d", h.robots))
		h.main.Files = append(h.main.Files, project.File{Path: file, Content: text})
		h.served("/robots.txt", file)
	}
	h.challenges(c)
	switch to := c.String("globalRedirect"); {
	case to != "" && h.acme.of[c.Name()] != nil: // a redirect comes before what is served
		h.line(`RedirectMatch permanent "^/(?!\.well-known/acme-challenge/)(.*)" "%s$1"`, to)
	case to != "":
		h.line("RedirectPermanent / %s", to)
	}
	if c.Has("documentRoot") {
		root := h.place.Path(c.Str("documentRoot"))
		h.directive("DocumentRoot", root, "")
		h.granted(root)
	}
	locations := c.Each("locations")
	slices.SortStableFunc(locations, func(a, b *module.Config) int { return cmp.Compare(a.Int("priority"), b.Int("priority")) })
	for _, l := range locations {
		h.location(l)
	}
	for _, d := range c.List("servedDirs") {
		h.alias(d.String("urlPath"), h.place.Path(d.Str("dir")))
	}
	for _, f := range c.List("servedFiles") {
		h.served(f.String("urlPath"), h.place.Path(f.Str("file")))
	}
	h.lines(h.place.Text(c.Str("extraConfig")))
	if h.acme.of[c.Name()] != nil { // the last section for a path says who may ask, and what is passed on
		h.section("Location", acmePath+"/", func() { h.line("Require all granted"); h.line("ProxyPass !") })
	}
}

// challenges shows the authority that gives the certificate what it asks for: the first alias
// of a path counts.
func (h *httpd) challenges(c *module.Config) {
	if _, root := h.acme.certificate(c); root != nil {
		h.line("ProxyPass %s/ !", acmePath)
		h.alias(acmePath+"/", project.Join(root, project.Lit(acmePath+"/")))
	}
}

// hostLogs writes where a host logs, if not where the others do.
func (h *httpd) hostLogs(c *module.Config) {
	format, file := c.String("logFormat"), "access.log"
	if h.Has("logDir") && h.Bool("logPerVirtualHost") {
		file = "access-" + c.Name() + ".log"
		format = cmp.Or(format, h.String("logFormat"))
		h.directive("ErrorLog", h.logFile("error-"+c.Name()+".log"), "")
	}
	h.customLog(format, file)
}

// served serves a file at a path.
func (h *httpd) served(path string, file project.Text) {
	h.directive("Alias "+path, file, "")
	h.section("Location", path, func() { h.line("Require all granted") })
}

// alias serves a folder below a path.
func (h *httpd) alias(path string, dir project.Text) {
	h.directive("Alias "+path, dir, "")
	h.granted(dir)
}

// granted opens a folder to everyone.
func (h *httpd) granted(dir project.Text) {
	h.directive("<Directory", dir, ">")
	h.line("  Options Indexes FollowSymLinks")
	h.line("  AllowOverride None")
	h.line("  Require all granted")
	h.line("</Directory>")
}

func (h *httpd) location(l *module.Config) {
	if l.Has("proxyPass") {
		proxyTarget(l.Get("proxyPass"), h.place.Text(l.Str("proxyPass")), "http://", "https://", "ws://", "wss://", "fcgi://", "ajp://", "h2://", "h2c://",
			"uwsgi://", "scgi://", "balancer://", "unix:", "!")
		h.directive("ProxyPass "+l.Name(), h.place.Text(l.Str("proxyPass")), "")
		h.directive("ProxyPassReverse "+l.Name(), h.place.Text(l.Str("proxyPass")), "")
	}
	if l.Has("alias") {
		h.alias(l.Name(), aliasPath(l.String("alias"), h.place.Path(l.Str("alias"))))
	}
	h.section("Location", l.Name(), func() {
		if l.Has("proxyPass") {
			h.line("Require all granted")
		}
		if l.Has("index") {
			h.line("DirectoryIndex %s", l.String("index"))
		}
		h.lines(h.place.Text(l.Str("extraConfig")))
	})
}
