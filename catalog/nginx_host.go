package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// host writes the server blocks of a virtual host: one, or two where http is
// sent on to https.
func (n *nginx) host(h *module.Config) {
	secure := h.Bool("addSSL") || h.Bool("onlySSL") || h.Bool("forceSSL")
	listens := n.listensOf(h, secure)
	anySSL := slices.ContainsFunc(listens, func(l hostListen) bool { return l.ssl })
	certificate, challenges := n.acme.certificate(h)
	n.hidesChallenges(h, challenges)
	if (secure || anySSL) && certificate == nil && (!h.Has("sslCertificate") || !h.Has("sslCertificateKey")) {
		h.Errorf("virtual host %q serves TLS, and needs sslCertificate and sslCertificateKey, or enableACME", h.Name())
	}
	if secure && !anySSL && !topLevel(h.String("extraConfig"))["listen"] {
		h.Errorf("virtual host %q serves TLS, and none of its listen entries has ssl = true\n  hint: write ssl = true beside its port", h.Name())
	}
	// nginx lets a server without a listen line listen on *:80.
	plain := slices.DeleteFunc(slices.Clone(listens), func(l hostListen) bool { return l.ssl })
	n.acme.plain(h, len(plain) > 0 || topLevel(h.String("extraConfig"))["listen"])
	if h.Bool("forceSSL") {
		listens = slices.DeleteFunc(listens, func(l hostListen) bool { return !l.ssl })
	}
	if h.Bool("forceSSL") && len(plain) > 0 {
		n.open("server")
		n.names(h, plain)
		n.challenges(h, challenges)
		n.open("location /")
		target := "$host"
		if len(listens) > 0 && listens[0].port != 443 {
			target += ":" + strconv.Itoa(listens[0].port)
		}
		n.line("return %d https://%s$request_uri;", h.Int("redirectCode"), target)
		n.close()
		n.close()
	}
	n.open("server")
	n.names(h, listens)
	n.challenges(h, challenges)
	if (secure || anySSL) && certificate != nil {
		n.directive("ssl_certificate", certificate)
		n.directive("ssl_certificate_key", certificate)
	}
	if secure || anySSL {
		for _, d := range [][3]string{{"ssl_certificate", "sslCertificate", "cert"}, {"ssl_certificate_key", "sslCertificateKey", "key"}, {"ssl_trusted_certificate", "sslTrustedCertificate", "trusted"}} {
			if h.Has(d[1]) {
				n.directive(d[0], n.Lend(n.main, d[2], n.keyFile(h.Get(d[1]))))
			}
		}
	}
	if (secure || anySSL) && h.Bool("kTLS") {
		n.line("ssl_conf_command Options KTLS;")
	}
	if h.Bool("rejectSSL") {
		n.line("ssl_reject_handshake on;")
	}
	if h.Has("root") {
		n.directive("root", n.place.Path(h.Str("root")))
	}
	if to := h.String("globalRedirect"); to != "" {
		n.open("location /")
		n.line("return %d $scheme://%s$request_uri;", h.Int("redirectCode"), to)
		n.close()
	}
	n.basicAuth(h)
	n.lines(n.place.Text(h.Str("extraConfig")))
	if own := topLevel(h.String("extraConfig")); n.Bool("requestId", "enable") && own["proxy_set_header"] {
		n.line("proxy_set_header %s;", nginxRequestID)
	}
	n.foundIn("extraConfig", h)
	locations := h.Each("locations")
	slices.SortStableFunc(locations, func(a, b *module.Config) int { return cmp.Compare(a.Int("priority"), b.Int("priority")) })
	for _, l := range locations {
		n.location(l)
	}
	n.close()
}

// hidesChallenges reports what of a host would answer the authority in place of challenges;
// root is nil where the host gets no certificate.
func (n *nginx) hidesChallenges(h *module.Config, root project.Text) {
	if root == nil {
		if h.Has("acmeFallbackHost") {
			n.note(h.Get("acmeFallbackHost"), "acmeFallbackHost has no effect: the host has neither enableACME nor useACMEHost")
		}
		return
	}
	for _, l := range h.Each("locations") {
		if path := strings.TrimLeft(l.Name(), "=^~* "); strings.HasPrefix(path, acmePath) {
			l.Errorf("the host gets a certificate by ACME, and what is below %q is its authority's\n  hint: remove the location; acmeFallbackHost passes on what nobody answers here", path)
		}
	}
	if topLevel(h.String("extraConfig"))["return"] {
		h.Get("extraConfig").Errorf("return in extraConfig keeps the authority from asking for the certificate\n  hint: write it as locations.\"/\".return")
	}
}

// challenges lets the authority that gives the certificate ask, whatever else the host does.
func (n *nginx) challenges(h *module.Config, root project.Text) {
	if root == nil {
		return
	}
	other := h.String("acmeFallbackHost")
	n.open("location ^~ %s/", acmePath)
	n.directive("root", root)
	n.line("allow all;")
	n.line("auth_basic off;")
	n.line("auth_request off;")
	if other != "" {
		n.line("try_files $uri @acme-fallback;")
	}
	n.close()
	if other != "" {
		n.open("location @acme-fallback")
		n.line("auth_basic off;")
		n.line("auth_request off;")
		n.line("proxy_pass http://%s;", other)
		n.close()
	}
}

type hostListen struct {
	addr  string
	port  int
	ssl   bool
	words []string
	path  []string
}

// listensOf is where a virtual host listens: where it says, or on the default
// addresses and ports.
func (n *nginx) listensOf(h *module.Config, secure bool) []hostListen {
	base := []string{"virtualHosts", h.Name()}
	var out []hostListen
	for _, c := range h.List("listen") {
		out = append(out, n.entry(c, c.Bool("ssl"), append(slices.Clone(base), "listen")))
	}
	if len(out) > 0 {
		for _, name := range []string{"listenAddresses", "addSSL"} {
			if h.IsSet(name) {
				n.note(h.Get(name), "%s has no effect: listen says where and how", name)
			}
		}
	}
	if len(out) == 0 && len(h.List("listenAddresses")) == 0 {
		for _, c := range n.List("defaultListen") {
			for _, ssl := range []bool{false, true} {
				wanted := !ssl && !h.Bool("onlySSL") || ssl && secure
				if wanted && (!c.Has("ssl") || c.Bool("ssl") == ssl) {
					out = append(out, n.entry(c, ssl, []string{"defaultListen"}))
				}
			}
		}
	}
	if len(out) == 0 {
		addresses := h.Strings("listenAddresses")
		if len(addresses) == 0 {
			addresses = n.Strings("defaultListenAddresses")
		}
		for _, a := range addresses {
			if !h.Bool("onlySSL") {
				out = append(out, hostListen{addr: a, port: n.port, path: []string{"port"}})
			}
			if secure {
				out = append(out, hostListen{addr: a, port: n.Int("defaultSSLListenPort"), ssl: true, path: []string{"defaultSSLListenPort"}})
			}
		}
	}
	return out
}

// entry is one of listen or defaultListen.
func (n *nginx) entry(c *module.Config, ssl bool, path []string) hostListen {
	l := hostListen{addr: c.String("addr"), port: c.Int("port"), ssl: ssl, path: path}
	if !c.Has("port") {
		l.port = n.port
		if ssl {
			l.port = n.Int("defaultSSLListenPort")
		}
	}
	if c.Bool("proxyProtocol") {
		l.words = append(l.words, "proxy_protocol")
	}
	l.words = append(l.words, c.Strings("extraParameters")...)
	return l
}

// names writes where a server listens, and its names.
func (n *nginx) names(h *module.Config, listens []hostListen) {
	for _, l := range listens {
		var words []string
		if l.ssl {
			words = append(words, "ssl")
			if h.Bool("http2") {
				words = append(words, "http2")
			}
		}
		if h.Bool("default") {
			words = append(words, "default_server")
		}
		if h.Bool("reuseport") {
			words = append(words, "reuseport")
		}
		n.listen(l.addr, l.port, append(words, l.words...), l.path...)
	}
	name := h.Name()
	if h.Has("serverName") {
		name = h.String("serverName")
	}
	words := []string{"server_name", ngxWord(name)}
	for _, alias := range h.Strings("serverAliases") {
		words = append(words, ngxWord(alias))
	}
	n.line("%s;", strings.Join(words, " "))
}

// location writes one location block, its lines in the order of NixOS.
func (n *nginx) location(l *module.Config) {
	// A path may have a modifier in front, "~ \.php$", and so is not quoted as
	// a whole.
	path := l.Name()
	if strings.ContainsAny(path, ";{}\"'") {
		modifier, rest, ok := strings.Cut(path, " ")
		if ok && slices.Contains([]string{"=", "~", "~*", "^~"}, modifier) {
			path = modifier + " " + ngxRegexp(strings.TrimSpace(rest))
		} else {
			path = ngxRegexp(path)
		}
	}
	n.open("location %s", path)
	if l.Has("proxyPass") {
		target := proxyTarget(l.Get("proxyPass"), n.place.Text(l.Str("proxyPass")), "http://", "https://", "$")
		n.pass("proxy_pass", target, n.Bool("proxyResolveWhileRunning"))
		if l.Bool("proxyWebsockets") {
			n.line("proxy_http_version 1.1;")
			n.line("proxy_set_header Upgrade $http_upgrade;")
			n.line("proxy_set_header Connection $connection_upgrade;")
		}
	}
	if l.Has("uwsgiPass") {
		if l.Has("proxyPass") {
			l.Get("uwsgiPass").Errorf("proxyPass and uwsgiPass must not both be set")
		}
		n.pass("uwsgi_pass", n.place.Text(l.Str("uwsgiPass")), n.Bool("uwsgiResolveWhileRunning"))
		recommended := n.Bool("recommendedUwsgiSettings")
		if l.Has("recommendedUwsgiSettings") {
			recommended = l.Bool("recommendedUwsgiSettings")
		}
		if recommended || !n.Bool("recommendedUwsgiSettings") { // else they stand outside
			n.uwsgiParams()
		}
		if recommended {
			n.line(`uwsgi_param HTTP_CONNECTION "";`)
		}
	}
	for _, p := range l.Each("fastcgiParams") {
		n.add(project.Lit(n.pad()+"fastcgi_param "+p.Name()+" "), ngxQuote(n.place.Text(p.Str())), project.Lit(";\n"))
	}
	if l.Has("index") {
		n.line("index %s;", l.String("index"))
	}
	if l.Has("tryFiles") {
		n.line("try_files %s;", l.String("tryFiles"))
	}
	if l.Has("root") {
		n.directive("root", n.place.Path(l.Str("root")))
	}
	if l.Has("alias") {
		n.directive("alias", aliasPath(l.String("alias"), n.place.Path(l.Str("alias"))))
	}
	switch r := l.Get("return"); r.Kind() {
	case module.KindInt:
		n.line("return %d;", r.Int())
	case module.KindStr:
		n.line("return %s;", strings.TrimSuffix(r.String(), ";"))
	}
	n.lines(n.place.Text(l.Str("extraConfig")))
	// A header set here switches off all that are set outside, so they are
	// repeated beside those of web sockets.
	recommended := n.Bool("recommendedProxySettings")
	if l.Has("recommendedProxySettings") {
		recommended = l.Bool("recommendedProxySettings")
	}
	if recommended && l.Has("proxyPass") {
		n.proxyHeaders()
	}
	if own := topLevel(l.String("extraConfig")); n.Bool("requestId", "enable") && l.Has("proxyPass") && (recommended || l.Bool("proxyWebsockets") || own["proxy_set_header"]) {
		n.line("proxy_set_header %s;", nginxRequestID)
	}
	n.basicAuth(l)
	n.close()
}

// pass writes where to pass requests on. A name in a variable is looked up at each of them.
func (n *nginx) pass(directive string, target project.Text, lookUp bool) {
	if lookUp {
		n.directive("set $nix2gpu_target", target)
		target = project.Lit("$nix2gpu_target")
	}
	n.directive(directive, target)
}

// aliasPath keeps the slash at the end of an alias: nginx puts what follows
// the location's path directly behind it.
func aliasPath(typed string, path project.Text) project.Text {
	if s, literal := path.Literal(); strings.HasSuffix(typed, "/") && !(literal && strings.HasSuffix(s, "/")) {
		return project.Join(path, project.Lit("/"))
	}
	return path
}

// ngxRegexp quotes an expression; a backslash in it is not an escape of nginx's.
func ngxRegexp(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// basicAuth writes the lines and the file for passwords of a host or location.
func (n *nginx) basicAuth(c *module.Config) {
	if c.Has("basicAuthFile") {
		n.line(`auth_basic "secured";`)
		n.directive("auth_basic_user_file", n.Lend(n.main, "users", n.keyFile(c.Get("basicAuthFile"))))
		return
	}
	users := c.Each("basicAuth")
	if len(users) == 0 {
		return
	}
	b := &textBuilder{}
	for _, u := range users {
		if strings.Contains(u.Name(), ":") {
			u.Errorf("user name %q must not contain a colon", u.Name())
		}
		b.add(project.Lit(u.Name()+":{PLAIN}"), n.textOrSecret(u), project.Lit("\n"))
	}
	n.auths++
	file := fmt.Sprintf("htpasswd.%d", n.auths)
	n.main.Files = append(n.main.Files, project.File{Path: n.Data("/" + file), Content: b.text, Mode: "0640", Escape: "\n"})
	n.line(`auth_basic "secured";`)
	n.line("auth_basic_user_file %s;", file)
}
