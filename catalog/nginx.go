package catalog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// nginx is one web server while its configuration is written.
type nginx struct {
	*Instance
	*textBuilder
	main    *project.Process
	port    int
	listens []listener // in the order of the configuration
	web     *listener  // the first of them that speaks HTTP; nil for none
	acme    *acme
	auths   int // files of passwords so far

	cacheDirs []project.Dir // of proxyCachePath
}

// A listener is one address that some server block listens on.
type listener struct {
	addr string
	port int
	path []string // of the option that set it
}

func generateNginx(in *Instance) {
	n := &nginx{Instance: in, textBuilder: &textBuilder{}, port: in.Int("port")}
	if in.Has("defaultHTTPListenPort") {
		n.port = in.Int("defaultHTTPListenPort")
	}
	n.main = in.Main(project.Command{Exec: []project.Text{in.Program("nginx"), project.Lit("-p"), project.Join(in.DataDir(), project.Lit("/")),
		project.Lit("-c"), in.Data("/nginx.conf"), project.Lit("-e"), project.Lit("stderr")}})
	n.main.Test = &project.ConfigTest{
		Command:      project.Command{Exec: append(slices.Clone(n.main.Command.Exec), project.Lit("-t"), project.Lit("-q"))},
		Inconclusive: []string{"host not found", "could not be resolved", "bind() to"},
	}
	n.write()
	n.declarePorts()
	if n.acme != nil {
		n.acme.add(n.main, in.Data("/nginx.pid"), in.Data("/nginx.conf"), syscall.SIGHUP)
	}
	switch {
	case n.Has("config"):
	case n.Has("defaultHTTPListenPort") && n.IsSet("port"):
		n.note(n.Get("port"), "port has no effect: defaultHTTPListenPort says it")
	default:
		n.unusedPort(n.listens)
	}
	n.main.Dirs = append([]project.Dir{{Path: in.DataDir()}}, n.cacheDirs...)
	n.main.Files = append([]project.File{
		{Path: in.Data("/nginx.conf"), Content: n.text, Escape: quotes},
		{Path: in.Data("/mime.types"), Content: project.Lit(mimeTypes())},
	}, n.main.Files...)
	// Finish what is under way; worker_shutdown_timeout bounds it.
	n.main.Shutdown.Signal = project.SIGQUIT
	n.main.Shutdown.ParentOnly = true
}

// write writes nginx.conf. What the user writes wins: a directive of theirs
// at the same place replaces ours, where two would be an error.
func (n *nginx) write() {
	for _, option := range []string{"config", "prependConfig", "appendConfig"} {
		for _, s := range ngxStatements(n.String(option)) {
			if len(s.blocks) == 0 && slices.Equal(s.words, []string{"daemon", "on"}) {
				n.background(n.Get(option))
			}
		}
	}
	if own := n.Text("config"); !own.IsEmpty() {
		have := topLevel(n.String("config"))
		n.unless(have, "daemon", "daemon off;")
		n.unless(have, "pid", "pid nginx.pid;")
		n.lines(own)
		n.foundIn("config", nil)
		n.whole("config")
		return
	}
	outside := topLevel(n.String("prependConfig") + "\n" + n.String("appendConfig"))
	n.lines(n.Text("prependConfig"))
	n.unless(outside, "daemon", "daemon off;")
	n.unless(outside, "pid", "pid nginx.pid;")
	n.unless(outside, "error_log", "error_log %s;", n.String("logError"))
	workers := "auto"
	if n.Kind("workerProcesses") == module.KindInt {
		workers = strconv.Itoa(n.Int("workerProcesses"))
	}
	n.unless(outside, "worker_processes", "worker_processes %s;", workers)
	n.unless(outside, "worker_shutdown_timeout", "worker_shutdown_timeout 2s;")
	n.open("events")
	n.lines(n.Text("eventsConfig"))
	n.close()
	n.open("http")
	n.http()
	n.close()
	if !n.Text("streamConfig").IsEmpty() {
		n.open("stream")
		n.lines(n.Text("streamConfig"))
		n.close()
		n.foundIn("streamConfig", nil)
	}
	n.lines(n.Text("appendConfig"))
	for _, option := range []string{"prependConfig", "appendConfig"} {
		n.foundIn(option, nil)
		if topLevel(n.String(option))["pid"] {
			n.acme.pidElsewhere(option, "pid")
		}
	}
}

// unless writes a line unless the user has that directive.
func (n *nginx) unless(have map[string]bool, directive, format string, args ...any) {
	if !have[directive] {
		n.line(format, args...)
	}
}

func (n *nginx) http() {
	userText := n.String("commonHttpConfig") + "\n" + n.String("httpConfig") + "\n" + n.String("appendHttpConfig")
	have := topLevel(userText)
	if n.Has("defaultMimeTypes") {
		n.directive("include", n.Path("defaultMimeTypes"))
	} else {
		n.line("include mime.types;")
	}
	n.unless(have, "types_hash_max_size", "types_hash_max_size %d;", n.Int("typesHashMaxSize"))
	n.unless(have, "default_type", "default_type application/octet-stream;")
	if n.Bool("requestId", "enable") {
		n.requestID(have)
	} else {
		n.unless(have, "access_log", "access_log off;")
	}
	for _, kind := range []string{"client_body", "fastcgi", "proxy", "scgi", "uwsgi"} {
		n.unless(have, kind+"_temp_path", "%s_temp_path tmp_%s;", kind, kind)
	}
	n.unless(have, "client_max_body_size", "client_max_body_size %s;", n.String("clientMaxBodySize"))
	n.unless(have, "server_tokens", "server_tokens %s;", onOff(n.Bool("serverTokens")))
	n.sizes(have)
	if addresses := n.Strings("resolver", "addresses"); len(addresses) > 0 {
		words := append([]string{"resolver"}, addresses...)
		if valid := n.String("resolver", "valid"); valid != "" {
			words = append(words, "valid="+valid)
		}
		for _, family := range []string{"ipv4", "ipv6"} {
			if !n.Bool("resolver", family) {
				words = append(words, family+"=off")
			}
		}
		n.unless(have, "resolver", "%s;", strings.Join(words, " "))
	}
	n.line(`map $http_upgrade $connection_upgrade { default upgrade; "" close; }`)
	n.tls(have)
	n.recommended(have)
	n.caches()
	n.lines(n.Text("commonHttpConfig"))
	for _, up := range n.Each("upstreams") {
		n.upstream(up)
	}
	n.acme = newACME(n.Instance, "serverName", "sslCertificate", "sslCertificateKey")
	hosts := n.Each("virtualHosts")
	for _, host := range hosts {
		n.host(host)
	}
	if n.Bool("statusPage") {
		n.statusPage()
	}
	for _, option := range []string{"commonHttpConfig", "httpConfig", "appendHttpConfig"} {
		n.foundIn(option, nil)
	}
	if n.wantsDefaultServer(len(hosts) > 0) {
		n.open("server")
		n.listen("0.0.0.0", n.port, nil, "port")
		n.line("default_type text/plain;")
		n.line(`return 200 "nginx is running; set virtualHosts or httpConfig\n";`)
		n.close()
	}
	n.lines(n.Text("httpConfig"))
	n.lines(n.Text("appendHttpConfig"))
}

// wantsDefaultServer reports whether to serve something on port although the
// user wrote no server for it: when they wrote none at all, or set the port.
// An empty server beside theirs on the same port would answer in its place.
func (n *nginx) wantsDefaultServer(hosts bool) bool {
	used := slices.ContainsFunc(n.listens, func(l listener) bool { return l.port == n.port })
	if used || hosts {
		return false
	}
	return len(n.listens) == 0 && !topLevel(n.String("httpConfig") + "\n" + n.String("appendHttpConfig"))["server"] || n.IsSet("port")
}

func (n *nginx) sizes(have map[string]bool) {
	for _, s := range [][2]string{
		{"mapHashBucketSize", "map_hash_bucket_size"}, {"mapHashMaxSize", "map_hash_max_size"},
		{"serverNamesHashBucketSize", "server_names_hash_bucket_size"}, {"serverNamesHashMaxSize", "server_names_hash_max_size"},
	} {
		if n.Has(s[0]) {
			n.unless(have, s[1], "%s %d;", s[1], n.Int(s[0]))
		}
	}
}

func (n *nginx) tls(have map[string]bool) {
	n.unless(have, "ssl_protocols", "ssl_protocols %s;", n.String("sslProtocols"))
	if n.Has("sslCiphers") {
		n.unless(have, "ssl_ciphers", "ssl_ciphers %s;", ngxWord(n.String("sslCiphers")))
	}
	if n.Has("sslDhparam") {
		n.directive("ssl_dhparam", n.Path("sslDhparam"))
	}
	if n.Bool("recommendedTlsSettings") {
		n.unless(have, "ssl_session_timeout", "ssl_session_timeout 1d;")
		n.unless(have, "ssl_session_cache", "ssl_session_cache shared:SSL:10m;")
		n.unless(have, "ssl_session_tickets", "ssl_session_tickets off;")
		n.unless(have, "ssl_prefer_server_ciphers", "ssl_prefer_server_ciphers off;")
	}
}

func (n *nginx) recommended(have map[string]bool) {
	if n.Bool("recommendedOptimisation") {
		n.unless(have, "sendfile", "sendfile on;")
		n.unless(have, "tcp_nopush", "tcp_nopush on;")
		n.unless(have, "tcp_nodelay", "tcp_nodelay on;")
		n.unless(have, "keepalive_timeout", "keepalive_timeout 65;")
	}
	if n.Bool("recommendedGzipSettings") {
		n.unless(have, "gzip", "gzip on;")
		n.unless(have, "gzip_vary", "gzip_vary on;")
		n.unless(have, "gzip_proxied", "gzip_proxied any;")
		n.unless(have, "gzip_comp_level", "gzip_comp_level 5;")
		n.unless(have, "gzip_types", "gzip_types text/plain text/css text/xml text/javascript application/javascript application/json application/xml application/wasm image/svg+xml;")
	}
	if n.Bool("recommendedProxySettings") {
		n.unless(have, "proxy_redirect", "proxy_redirect off;")
		n.unless(have, "proxy_http_version", "proxy_http_version 1.1;")
		for _, what := range []string{"connect", "send", "read"} {
			n.unless(have, "proxy_"+what+"_timeout", "proxy_%s_timeout %s;", what, n.String("proxyTimeout"))
		}
		n.proxyHeaders()
	}
	if n.Bool("recommendedUwsgiSettings") {
		for _, what := range []string{"connect", "send", "read"} {
			n.unless(have, "uwsgi_"+what+"_timeout", "uwsgi_%s_timeout %s;", what, n.String("uwsgiTimeout"))
		}
		n.uwsgiParams()
		n.line(`uwsgi_param HTTP_CONNECTION "";`)
	}
}

// caches writes the lines of proxyCachePath, whose folders are below dataDir.
func (n *nginx) caches() {
	for _, c := range n.Each("proxyCachePath") {
		if !c.Bool("enable") {
			continue
		}
		if wrong := project.PlainName(c.Name()); wrong != "" {
			c.Errorf("%s", wrong)
			continue
		}
		n.cacheDirs = append(n.cacheDirs, project.Dir{Path: n.Data("/cache/" + c.Name()), Mode: "0700"})
		n.line("proxy_cache_path cache/%s keys_zone=%s:%s levels=%s use_temp_path=%s inactive=%s max_size=%s;", c.Name(), c.String("keysZoneName"),
			c.String("keysZoneSize"), c.String("levels"), onOff(c.Bool("useTempPath")), c.String("inactive"), c.String("maxSize"))
	}
}

// uwsgiParams says what a uWSGI server is told of a request, as nginx's own uwsgi_params.
func (n *nginx) uwsgiParams() {
	for _, p := range strings.Fields(`QUERY_STRING=$query_string REQUEST_METHOD=$request_method CONTENT_TYPE=$content_type CONTENT_LENGTH=$content_length
		REQUEST_URI=$request_uri PATH_INFO=$document_uri DOCUMENT_ROOT=$document_root SERVER_PROTOCOL=$server_protocol REQUEST_SCHEME=$scheme
		REMOTE_ADDR=$remote_addr REMOTE_PORT=$remote_port SERVER_PORT=$server_port SERVER_NAME=$server_name`) {
		name, value, _ := strings.Cut(p, "=")
		n.line("uwsgi_param %s %s;", name, value)
	}
	n.line("uwsgi_param HTTPS $https if_not_empty;")
}

// requestID makes the id of a request a variable, which the user's own lines may use, too.
func (n *nginx) requestID(have map[string]bool) {
	n.line(`map $http_x_request_id $nix2gpu_request_id { "~%s" $http_x_request_id; default $request_id; }`, goodRequestID)
	n.line(`log_format nix2gpu_request '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $request_time request_id=$nix2gpu_request_id';`)
	n.unless(have, "access_log", "access_log /dev/stdout nix2gpu_request;")
	n.line("proxy_set_header %s;", nginxRequestID)
	n.line("proxy_hide_header X-Request-ID;") // ours is in its place
	n.line("add_header %s always;", nginxRequestID)
}

const nginxRequestID = "X-Request-ID $nix2gpu_request_id"

func (n *nginx) proxyHeaders() {
	for _, h := range [][2]string{
		{"Host", "$host"}, {"X-Real-IP", "$remote_addr"}, {"X-Forwarded-For", "$proxy_add_x_forwarded_for"},
		{"X-Forwarded-Proto", "$scheme"}, {"X-Forwarded-Host", "$host"}, {"X-Forwarded-Server", "$hostname"},
	} {
		n.line("proxy_set_header %s %s;", h[0], h[1])
	}
}

func (n *nginx) upstream(up *module.Config) {
	n.open("upstream %s", up.Name())
	for _, server := range up.Each("servers") {
		words := []string{"server", server.Name()}
		for _, p := range server.Each() {
			switch p.Kind() {
			case module.KindBool:
				if p.Bool() {
					words = append(words, p.Name())
				}
			case module.KindInt:
				words = append(words, p.Name()+"="+strconv.Itoa(p.Int()))
			default:
				words = append(words, p.Name()+"="+p.String())
			}
		}
		n.line("%s;", strings.Join(words, " "))
	}
	if up.Has("service") {
		n.add(n.Instance.servers(up.Get("service"), n.pad()+"server %s;\n"))
	}
	n.lines(n.place.Text(up.Str("extraConfig")))
	n.close()
}

func (n *nginx) statusPage() {
	n.open("server")
	n.listen("0.0.0.0", n.port, nil, "statusPage")
	n.line("server_name localhost;")
	n.open("location /nginx_status")
	n.line("stub_status;")
	n.line("allow 127.0.0.1;")
	n.line("allow ::1;")
	n.line("deny all;")
	n.close()
	n.close()
}

// listen writes a listen line and records it.
func (n *nginx) listen(addr string, port int, words []string, path ...string) {
	if strings.HasPrefix(addr, "unix:") {
		n.line("%s;", strings.Join(append([]string{"listen", addr}, words...), " "))
		return
	}
	if strings.Contains(addr, ":") && !strings.HasPrefix(addr, "[") {
		addr = "[" + addr + "]"
	}
	n.line("%s;", strings.Join(append([]string{"listen", addr + ":" + strconv.Itoa(port)}, words...), " "))
	n.found(listener{addr, port, path}, true)
}

// found records a listener, and whether it speaks HTTP: others speak of mail, or pass on
// all that they hear.
func (n *nginx) found(l listener, web bool) {
	n.listens = append(n.listens, l)
	if web && n.web == nil {
		n.web = &l
	}
}

// foundIn records what the user's own text listens on. The text is that of an option,
// or of a virtual host, which is inside a server block already.
func (n *nginx) foundIn(option string, host *module.Config) {
	text, around, path := n.String(option), []string{}, []string{option}
	if host != nil {
		text, around, path = host.String(option), []string{"server"}, []string{"virtualHosts", host.Name(), option}
	}
	for _, s := range ngxStatements(text) {
		blocks := append(slices.Clone(around), s.blocks...)
		if len(s.words) < 2 || s.words[0] != "listen" || len(blocks) == 0 || blocks[len(blocks)-1] != "server" ||
			strings.HasPrefix(s.words[1], "unix:") {
			continue
		}
		addr, text := "0.0.0.0", s.words[1]
		if at := strings.LastIndexByte(text, ':'); at >= 0 && !strings.HasSuffix(text, "]") {
			addr, text = text[:at], text[at+1:]
		}
		port, err := strconv.Atoi(text)
		if err != nil { // an address alone
			addr, port = text, 80
		}
		if slices.Contains(s.words, "quic") || slices.Contains(s.words, "udp") {
			n.Instance.listen(port, "udp", everywhere(addr), path...)
			continue
		}
		n.found(listener{addr, port, path}, option != "streamConfig" && blocks[0] != "stream" && blocks[0] != "mail")
	}
}

// declarePorts declares each port once: servers may share one.
func (n *nginx) declarePorts() {
	seen := map[string]bool{}
	all := map[int]bool{}
	for _, l := range n.listens {
		if wildcard(l.addr) {
			all[l.port] = true
		}
	}
	for _, l := range n.listens {
		addr := l.addr
		if all[l.port] {
			addr = "*"
		}
		key := addr + " " + strconv.Itoa(l.port)
		if seen[key] {
			continue
		}
		seen[key] = true
		n.Listen(l.port, addr, l.path...)
	}
	switch {
	case n.web != nil:
		n.main.Readiness = askWeb(strings.Trim(reachable(n.web.addr), "[]"), n.web.port)
	case len(n.listens) > 0: // nothing can be asked that no other server hears
		first := n.listens[0]
		n.main.Readiness = &project.Probe{TCP: &project.TCPCheck{Host: strings.Trim(reachable(first.addr), "[]"), Port: first.port}}
	}
}

func onOff(v bool) string {
	if v {
		return "on"
	}
	return "off"
}

// directive writes a line with one word that may hold places.
func (n *nginx) directive(name string, value project.Text) {
	n.add(project.Lit(n.pad()+name+" "), ngxQuote(value), project.Lit(";\n"))
}

// ngxQuote makes a text one word of nginx's. Variables stay variables.
func ngxQuote(t project.Text) project.Text {
	if s, ok := t.Literal(); ok {
		return project.Lit(ngxWord(s))
	}
	escaped := slices.Clone(t)
	for i, p := range escaped {
		if p.IsLiteral() {
			escaped[i].Literal = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.Literal)
		}
	}
	return project.Join(project.Lit(`"`), escaped, project.Lit(`"`))
}

func ngxWord(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\n;{}\"'\\#") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// A statement is one directive of a configuration text, with the names of
// the blocks around it.
type statement struct {
	blocks []string
	words  []string
}

// topLevel is the set of directives outside every block of the text.
func topLevel(text string) map[string]bool {
	out := map[string]bool{}
	for _, s := range ngxStatements(text) {
		if len(s.blocks) == 0 {
			out[s.words[0]] = true
		}
	}
	return out
}

// ngxStatements splits a configuration text as far as it can: nginx itself reports
// mistakes in it.
func ngxStatements(text string) []statement {
	var out []statement
	var blocks, words []string
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '#':
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return out
			}
			i += end
		case c == ';' || c == '{':
			if len(words) > 0 {
				out = append(out, statement{slices.Clone(blocks), words})
			}
			if c == '{' {
				blocks = append(blocks, cmp.Or(strings.Join(words[:min(1, len(words))], ""), "?"))
			}
			words = nil
			i++
		case c == '}':
			blocks, words = blocks[:max(0, len(blocks)-1)], nil
			i++
		default:
			word, end := ngxToken(text, i)
			words = append(words, word)
			i = end
		}
	}
	return out
}

// ngxToken reads the word that begins at i.
func ngxToken(text string, i int) (string, int) {
	var b strings.Builder
	if quote := text[i]; quote == '"' || quote == '\'' {
		for i++; i < len(text) && text[i] != quote; i++ {
			if text[i] == '\\' && i+1 < len(text) {
				i++
			}
			b.WriteByte(text[i])
		}
		return b.String(), i + 1
	}
	for ; i < len(text) && strings.IndexByte(" \t\r\n;{", text[i]) < 0; i++ {
		if text[i] == '\\' && i+1 < len(text) {
			b.WriteByte(text[i])
			i++
		}
		b.WriteByte(text[i])
		if strings.HasPrefix(text[i:], "${") { // a variable, no block
			b.WriteByte('{')
			i++
		}
	}
	return b.String(), i
}
