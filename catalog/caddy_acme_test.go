package catalog_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// Caddy gets a certificate from the authority whose directory is set, and keeps it. The
// authority is another Caddy, and both names are in a file of hosts that only they see.
func TestCaddyGetsCertificates(t *testing.T) {
	t.Parallel()
	needs(t, "caddy")
	s := testkit.NewStackFrom(t, "")
	root := filepath.Join(s.Dir, "data/caddy/ca/caddy/pki/authorities/local/root.crt")
	s.Write("nix2gpu.nix", `{ services.caddy = {
	  ca = {
	    enable = true; globalConfig = "skip_install_trust\nauto_https disable_redirects";
	    virtualHosts."https://ca.test:9443" = { listenAddresses = [ "127.0.0.1" ]; extraConfig = "tls internal\nacme_server"; };
	  };
	  shop = {
	    enable = true; acmeCA = "https://ca.test:9443/acme/local/directory"; email = "me@shop.test";
	    globalConfig = "acme_ca_root `+root+`\ndefault_bind 127.0.0.2"; virtualHosts."shop.test".extraConfig = "respond \"hello\"";
	    depends_on."caddy.ca" = "healthy";
	  };
	}; }`)
	s.Write("hosts", "127.0.0.1 localhost ca.test\n127.0.0.2 shop.test\n")
	start := func() *testkit.Run {
		run := s.StartCommand("unshare", "--mount", "sh", "-ec", `mount --bind hosts /etc/hosts; exec "$@"`, "sh", s.Bin, "up")
		run.WaitLine("all services healthy")
		return run
	}
	run := start()
	trusted := x509.NewCertPool()
	if text, err := os.ReadFile(root); err != nil || !trusted.AppendCertsFromPEM(text) {
		t.Fatalf("the authority's certificate: %q, %v", text, err)
	}
	s.Client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: trusted, ServerName: "shop.test"}
	// shown returns the certificate that a client is shown, once there is one that it trusts.
	shown := func() *x509.Certificate {
		t.Helper()
		var cert *x509.Certificate
		if !testkit.Eventually(func() bool {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "shop.test"
			resp, err := s.Client.Do(req)
			if err != nil {
				return false
			}
			resp.Body.Close()
			cert = resp.TLS.PeerCertificates[0]
			return resp.StatusCode == http.StatusOK
		}) {
			t.Fatalf("no certificate came\n%s", run.Output())
		}
		return cert
	}
	first := shown()
	if !strings.Contains(first.Issuer.CommonName, "Intermediate") || first.DNSNames[0] != "shop.test" {
		t.Errorf("the certificate of %v is by %v", first.DNSNames, first.Issuer)
	}
	run.Stop()
	run = start()
	if again := shown(); !again.Equal(first) {
		t.Error("another certificate was asked for, and the first one was lost")
	}
	run.Stop()
}
