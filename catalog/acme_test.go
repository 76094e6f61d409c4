package catalog_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// Web servers get a certificate from the authority whose directory is set, show it without a
// restart, and keep it. The authority is Caddy, and the names are in a file of hosts
// that only the two see.
func TestWebServersGetCertificates(t *testing.T) {
	t.Parallel()
	const terms = `acme = { acceptTerms = true; email = "me@shop.test"; server = "https://ca.test:9443/acme/local/directory"; caFile = "CAFILE"; };`
	for _, c := range []struct{ server, options string }{
		{"caddy", `acmeCA = "https://ca.test:9443/acme/local/directory"; email = "me@shop.test";
		  globalConfig = "acme_ca_root CAFILE\ndefault_bind 127.0.0.2"; virtualHosts."shop.test".extraConfig = "respond \"hello\"";`},
		{"nginx", terms + `port = 80; defaultSSLListenPort = 443; virtualHosts = {
		  "shop.test" = { listenAddresses = [ "127.0.0.2" ]; forceSSL = true; enableACME = true; locations."/".return = "200 hello"; };
		  "www" = { serverName = "www.shop.test"; listenAddresses = [ "127.0.0.2" ]; addSSL = true; useACMEHost = "shop.test"; acmeFallbackHost = "127.0.0.1:9"; locations."/".return = "200 hello"; };
		  "lost.test" = { # which nobody finds: no other waits for it
		    listenAddresses = [ "127.0.0.2" ]; addSSL = true; enableACME = true; };
		};`},
		{"httpd", terms + `port = 80; sslPort = 443; virtualHosts = {
		  "shop.test" = { listenAddresses = [ "127.0.0.2" ]; forceSSL = true; enableACME = true; documentRoot = "./public"; };
		  "www" = { hostName = "www.shop.test"; listenAddresses = [ "127.0.0.2" ]; addSSL = true; useACMEHost = "shop.test"; globalRedirect = "https://shop.test/"; };
		};`},
	} {
		t.Run(c.server, func(t *testing.T) {
			t.Parallel()
			needs(t, "caddy")
			needs(t, map[string]string{"caddy": "caddy", "nginx": "nginx", "httpd": "apache2"}[c.server])
			getsCertificates(t, c.server, c.options)
		})
	}
}

func getsCertificates(t *testing.T, server, options string) {
	s := testkit.NewStackFrom(t, "")
	root := filepath.Join(s.Dir, "data/caddy/ca/caddy/pki/authorities/local/root.crt")
	s.Write("nix2gpu.nix", `{ services.caddy.ca = {
	    enable = true; globalConfig = "skip_install_trust\nauto_https disable_redirects";
	    virtualHosts."https://ca.test:9443" = { listenAddresses = [ "127.0.0.1" ]; extraConfig = "tls internal\nacme_server"; };
	  };
	  services.`+server+`.shop = { enable = true; `+strings.ReplaceAll(options, "CAFILE", root)+`
	    depends_on."caddy.ca" = "healthy";
	  }; }`)
	s.Write("hosts", "127.0.0.1 localhost ca.test\n127.0.0.2 shop.test www.shop.test\n")
	s.Write("public/index.html", "hello")
	start := func(names ...string) *testkit.Run {
		run := s.StartCommand("unshare", append([]string{"--mount", "sh", "-ec", `mount --bind hosts /etc/hosts; exec "$@"`, "sh", s.Bin, "up"}, names...)...)
		run.WaitLine("all services healthy")
		return run
	}
	run := start("shop")
	trusted := x509.NewCertPool()
	if text, err := os.ReadFile(root); err != nil || !trusted.AppendCertsFromPEM(text) {
		t.Fatalf("the authority's certificate: %q, %v", text, err)
	}
	transport := s.Client.Transport.(*http.Transport)
	transport.DisableKeepAlives = true
	s.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	// shown returns the certificate that a client is shown, once there is one that it trusts.
	shown := func(name string, status int) *x509.Certificate {
		t.Helper()
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted, ServerName: name}
		var cert *x509.Certificate
		var last error
		if !testkit.Eventually(func() bool {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = name
			resp, err := s.Client.Do(req)
			if last = err; err != nil {
				return false
			}
			resp.Body.Close()
			cert = resp.TLS.PeerCertificates[0]
			return resp.StatusCode == status
		}) {
			t.Fatalf("no certificate for %s came: %v\n%s", name, last, run.Output())
		}
		return cert
	}
	first := shown("shop.test", http.StatusOK)
	if !strings.Contains(first.Issuer.CommonName, "Intermediate") || first.DNSNames[0] != "shop.test" {
		t.Errorf("the certificate of %v is by %v", first.DNSNames, first.Issuer)
	}
	second := http.StatusOK
	if server == "httpd" {
		second = http.StatusMovedPermanently
	}
	if server != "caddy" && !shown("www.shop.test", second).Equal(first) {
		t.Error("two hosts that share a certificate show two")
	}
	run.Stop()
	run = start()
	if again := shown("shop.test", http.StatusOK); !again.Equal(first) {
		t.Error("another certificate was asked for, and the first one was lost")
	}
	run.Stop()
}

// What keeps a web server from getting a certificate is said at its place, with a cure.
func TestBadACME(t *testing.T) {
	t.Parallel()
	const terms = `acme = { acceptTerms = true; email = "a@b.c"; }; `
	for _, c := range []struct{ options, want string }{
		{`virtualHosts."a.b" = { addSSL = true; enableACME = true; };`, "enableACME needs acme.acceptTerms\n  hint: read the terms of service of the authority, and set acme.acceptTerms = true"},
		{`acme.acceptTerms = true; virtualHosts."a.b" = { addSSL = true; enableACME = true; };`, "enableACME needs acme.email"},
		{terms + `virtualHosts."*.a.b" = { addSSL = true; enableACME = true; };`, `no authority signs a certificate for "*.a.b" by http`},
		{terms + `virtualHosts."127.0.0.1" = { addSSL = true; enableACME = true; };`, `no authority signs a certificate for "127.0.0.1" by http`},
		{terms + `virtualHosts."a.b" = { addSSL = true; enableACME = true; serverAliases = [ "~^x$" ]; };`, `no authority signs a certificate for "~^x$" by http`},
		{terms + `virtualHosts."a.b" = { onlySSL = true; enableACME = true; };`, "the authority asks for it by http, where it does not listen\n  hint: set addSSL or forceSSL, or add a listen entry without ssl"},
		{terms + `virtualHosts."a.b" = { addSSL = true; enableACME = true; KEY = "/k"; };`, `virtual host "a.b" has KEY, and gets a certificate by ACME`},
		{terms + `virtualHosts."a.b" = { addSSL = true; enableACME = true; acmeRoot = null; };`, "not supported: certificates by DNS\n  hint: leave acmeRoot out, and the authority asks by http"},
		{terms + `virtualHosts."a.b" = { addSSL = true; enableACME = true; useACMEHost = "a.b"; };`, "enableACME and useACMEHost must not both be set"},
		{terms + `virtualHosts = { "a.b" = { addSSL = true; useACMEHost = "c.d"; }; "c.d" = { }; };`, `no virtual host "c.d" of this service has enableACME`},
		{terms + `acme.server = "http://ca"; virtualHosts."a.b" = { addSSL = true; enableACME = true; };`, `an ACME directory has a URL with https://, not "http://ca"`},
		{`virtualHosts."a.b".addSSL = true;`, "or enableACME"},
		{terms + `virtualHosts."a.b".enableACME = true; PID`, "keeps the server from being told of new certificates"},
	} {
		for server, key := range map[string]string{"nginx": "sslCertificateKey", "httpd": "sslServerKey"} {
			pid := map[string]string{"nginx": `prependConfig = "pid /x;";`, "httpd": `extraConfig = "PidFile /x";`}[server]
			options := strings.NewReplacer("KEY", key, "PID", pid).Replace(c.options)
			_, err := generate(t, "t.nix", "{ services."+server+".a = { enable = true; "+options+" }; }")
			if want := strings.ReplaceAll(c.want, "KEY", key); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "t.nix:1:") {
				t.Errorf("%s of %s:\ngot  %v\nwant %s", c.options, server, err, want)
			}
		}
	}
}

// What would come before the authority's questions is refused.
func TestNothingHidesChallenges(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{
		`locations."/.well-known/acme-challenge/".return = 404;`:   `what is below "/.well-known/acme-challenge/" is its authority's`,
		`locations."^~ /.well-known/acme-challenge".return = 404;`: `what is below "/.well-known/acme-challenge" is its authority's`,
		`extraConfig = "return 301 https://b.c$request_uri;";`:     "return in extraConfig keeps the authority from asking",
		`extraConfig = "if ($a) { return 404; }";`:                 "",
		`locations."/".return = 404;`:                              "",
	} {
		_, err := generate(t, "t.nix", `{ services.nginx.a = { enable = true; acme = { acceptTerms = true; email = "a@b.c"; }; virtualHosts."a.b" = { addSSL = true; enableACME = true; `+options+` }; }; }`)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", options, err, want)
		}
	}
}

// Hosts of one name share a certificate, whose file is called by that name. It is looked at often enough for
// an authority whose certificates are for 12 hours, as Caddy's are: they are due after 8.
func TestACMEOfOneName(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"nginx", "httpd"} {
		text := `{ services.` + server + `.a = { enable = true; acme = { acceptTerms = true; email = "a@b.c"; }; virtualHosts = {
		  "Shop.Test" = { forceSSL = true; enableACME = true; };
		  "shop.test" = { addSSL = true; enableACME = true; serverAliases = [ "www.shop.test" ]; MORE };
		}; }; }`
		p, err := generate(t, "t.nix", strings.Replace(text, "MORE", "", 1))
		if err != nil {
			t.Fatal(err)
		}
		for id, s := range p.Services {
			if s.Schedule == nil {
				continue
			}
			if every := time.Duration(s.Schedule.Interval); every > 3*time.Hour {
				t.Errorf("%s: it is looked at every %v", id, every)
			}
			var names []string
			for _, word := range p.Processes[s.Main].Command.Exec {
				if list, ok := strings.CutPrefix(word.String(), "--names="); ok {
					names = append(names, list)
				}
			}
			if len(names) != 1 || names[0] != "shop.test,www.shop.test" {
				t.Errorf("%s: the certificates are for %q", id, names)
			}
		}
		if len(p.Services) != 2 {
			t.Errorf("%d services", len(p.Services))
		}
		_, err = generate(t, "t.nix", strings.Replace(text, "MORE", `acmeRoot = "/srv";`, 1))
		if want := `another virtual host is called "shop.test", too, and has another acmeRoot`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}

// What a host of nginx denies it does not deny the authority.
func TestACMEBesideDeny(t *testing.T) {
	t.Parallel()
	p, err := generate(t, "t.nix", `{ services.nginx.a = { enable = true; acme = { acceptTerms = true; email = "a@b.c"; }; virtualHosts."a.b" = { addSSL = true; enableACME = true; extraConfig = "deny all;"; }; }; }`)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(p.Processes["nginx.a"].Files[0].Content.String(), "location ^~ /.well-known/acme-challenge/ {")
	if inside, _, _ := strings.Cut(text, "}"); !strings.Contains(inside, "allow all;") {
		t.Errorf("the authority finds%s", inside)
	}
}

// Whom Apache lets ask for a path, the last section for it says: that for the authority is behind
// those of the user's.
func TestACMEBehindLocations(t *testing.T) {
	t.Parallel()
	p, err := generate(t, "t.nix", `{ services.httpd.a = { enable = true; acme = { acceptTerms = true; email = "a@b.c"; }; virtualHosts."a.b" = {
	  addSSL = true; enableACME = true; locations."/".extraConfig = "Require ip 10.0.0.1"; extraConfig = "<Location />\nRequire ip 10.0.0.2\n</Location>";
	}; }; }`)
	if err != nil {
		t.Fatal(err)
	}
	text := p.Processes["apache-httpd.a"].Files[0].Content.String()
	for _, host := range strings.Split(text, "</VirtualHost>")[:2] {
		if last := host[strings.LastIndex(host, "<Location"):]; !strings.HasPrefix(last, "<Location /.well-known/acme-challenge/>") || !strings.Contains(last, "Require all granted") {
			t.Errorf("the last section of a host is\n%s", last)
		}
	}
}

// Certificates that no virtual host asks for are not made, and what says how is noted.
func TestNoACME(t *testing.T) {
	t.Parallel()
	p, err := generate(t, "t.nix", `{ services.nginx.a = { enable = true; acme.email = "a@b.c"; virtualHosts.x.acmeFallbackHost = "10.0.0.1"; }; }`)
	if err != nil || len(p.Services) != 1 {
		t.Fatalf("%d services: %v", len(p.Services), err)
	}
	var notes []string
	for _, n := range p.Notes {
		notes = append(notes, n.Text)
	}
	if got := strings.Join(notes, "\n"); !strings.Contains(got, "acme.email has no effect") || !strings.Contains(got, "acmeFallbackHost has no effect") {
		t.Errorf("the notes are %q", got)
	}
}
