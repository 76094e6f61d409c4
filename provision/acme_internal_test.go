package provision

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A certificate is had anew when two thirds of its time are over, and when it is not one
// by an authority for all names.
func TestCertificateIsDue(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cert := func(days int, org string, names ...string) *x509.Certificate {
		return &x509.Certificate{NotBefore: begin, NotAfter: begin.AddDate(0, 0, days), Subject: pkix.Name{Organization: []string{org}}, DNSNames: names}
	}
	for _, c := range []struct {
		what string
		cert *x509.Certificate
		day  int
		want bool
	}{
		{"a new one", cert(90, "CA", "a.test", "b.test"), 0, false},
		{"before two thirds", cert(90, "CA", "a.test", "b.test"), 59, false},
		{"after two thirds", cert(90, "CA", "a.test", "b.test"), 61, true},
		{"one of six days", cert(6, "CA", "a.test", "b.test"), 5, true},
		{"one that has ended", cert(90, "CA", "a.test", "b.test"), 100, true},
		{"one that lacks a name", cert(90, "CA", "a.test"), 0, true},
		{"one for all below", cert(90, "CA", "*.test"), 0, false},
		{"one of our own", cert(3650, placeholder, "a.test", "b.test"), 0, true},
	} {
		if got := due(c.cert, []string{"a.test", "b.test"}, begin.AddDate(0, 0, c.day)); got != c.want {
			t.Errorf("%s: due is %t", c.what, got)
		}
	}
}

// What a server starts with is made where nothing is, or nothing whole, and left where a
// certificate is.
func TestPlaceholder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.test.pem")
	args := []string{"acme", "init", "--dir=" + dir, "--names=a.test,b.test"}
	for _, before := range []string{"", "-----BEGIN PRIVATE KEY-----\nhalf"} {
		if before != "" {
			if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Main(t.Context(), args, Stdio{}); err != nil {
			t.Fatal(err)
		}
		cert, err := readCertificate(file)
		if err != nil || cert.VerifyHostname("b.test") != nil || !due(cert, []string{"a.test"}, time.Now()) {
			t.Fatalf("%v, %v", cert, err)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read the key", info.Mode(), err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"CA"}}, NotAfter: time.Now()}
	der, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err == nil {
		err = writeCertificate(file, key, [][]byte{der})
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := Main(t.Context(), args, Stdio{}); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("a certificate by an authority was replaced: %v", err)
	}
}

// An authority that can't be reached makes no difference to the certificate that there is.
func TestAuthorityIsAway(t *testing.T) {
	dir := t.TempDir()
	o := acmeOptions{dir: dir, names: words{"a.test"}, roots: words{dir}, server: "https://127.0.0.1:1/directory", email: "a@b.c"}
	if err := initACME(o); err != nil {
		t.Fatal(err)
	}
	err := getCertificates(t.Context(), o, Stdio{})
	if err == nil || !strings.Contains(err.Error(), "https://127.0.0.1:1/directory gives no account: ") {
		t.Errorf("%v", err)
	}
	if _, err := readCertificate(o.file([]string{"a.test"})); err != nil {
		t.Error(err)
	}
	o.ca = filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(o.ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = getCertificates(t.Context(), o, Stdio{})
	if _, lasts := errors.AsType[*LastingError](err); !lasts || !strings.HasPrefix(err.Error(), o.ca+" has no certificate\n  hint: ") {
		t.Errorf("%v", err)
	}
}

// The server of the configuration is told of a new certificate, and nobody else who has its number; also when
// that which got the certificate was killed before it could tell.
func TestServerIsTold(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := exec.CommandContext(ctx, "sh", "-c", `trap 'echo told' HUP; echo up; while :; do read -r line || exit; done`, filepath.Join(dir, "server.conf"))
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	o := acmeOptions{dir: dir, names: words{"a.test"}, pid: filepath.Join(dir, "pid"), config: filepath.Join(dir, "other.conf"), signal: int(syscall.SIGHUP)}
	for _, c := range []struct{ pid, config string }{{"", "server.conf"}, {"0", "server.conf"}, {"x", "server.conf"}, {strconv.Itoa(server.Process.Pid), "other.conf"}} {
		if c.pid != "" {
			if err := os.WriteFile(o.pid, []byte(c.pid+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o.config = filepath.Join(dir, c.config)
		if err := o.tell(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"CA"}}, DNSNames: []string{"a.test"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err == nil {
		err = writeCertificate(o.file([]string{"a.test"}), key, [][]byte{der})
	}
	mark := o.file([]string{"a.test"}) + untold
	if err == nil {
		err = os.WriteFile(mark, nil, 0o600)
	}
	o.config = filepath.Join(dir, "server.conf")
	if err == nil {
		err = getCertificates(ctx, o, Stdio{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(mark); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it would be told again: %v", err)
	}
	in.Close()
	told := 0
	for lines.Scan() {
		told++
	}
	if err := server.Wait(); err == nil || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
}

// What an authority says against a name is said, with the cure, and where it asks nothing is left.
func TestAuthorityRefuses(t *testing.T) {
	root := t.TempDir()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	asked := false // by the authority, for the file
	answer := func(path string, status int, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Replay-Nonce", "n")
			w.Header().Set("Location", server.URL+r.URL.Path+"/1")
			if path == "/challenge" {
				_, err := os.Stat(filepath.Join(root, acmePath, "token"))
				asked = err == nil
			}
			if path == "/authz" && asked {
				text = `{"status":"invalid","identifier":{"type":"dns","value":"a.test"},"challenges":[{"type":"http-01","status":"invalid","url":"URL/challenge","token":"token",
				  "error":{"type":"urn:ietf:params:acme:error:dns","detail":"no such name","status":400}}]}`
			}
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(text, "URL", server.URL))
		})
	}
	answer("/directory", 200, `{"newNonce":"URL/nonce","newAccount":"URL/account","newOrder":"URL/order"}`)
	answer("/nonce", 200, "")
	answer("/account", 201, `{"status":"valid"}`)
	answer("/order", 201, `{"status":"pending","identifiers":[{"type":"dns","value":"a.test"}],"authorizations":["URL/authz"],"finalize":"URL/finalize"}`)
	answer("/authz", 200, `{"status":"pending","identifier":{"type":"dns","value":"a.test"},"challenges":[{"type":"http-01","status":"pending","url":"URL/challenge","token":"token"}]}`)
	answer("/challenge", 200, `{"type":"http-01","status":"processing","url":"URL/challenge","token":"token"}`)
	ca := filepath.Join(root, "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := acmeOptions{dir: t.TempDir(), names: words{"a.test"}, roots: words{root}, server: server.URL + "/directory", email: "a@b.c", ca: ca}
	err := getCertificates(t.Context(), o, Stdio{})
	if err == nil || !strings.HasPrefix(err.Error(), "no certificate for a.test: ") || !strings.Contains(err.Error(), "no such name") ||
		!strings.HasSuffix(err.Error(), "\n  hint: http://a.test, at port 80, must lead to this server from where the authority is") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(filepath.Join(root, acmePath)); err != nil || len(left) > 0 || !asked {
		t.Errorf("%v is left, %v; the file was there: %t", left, err, asked)
	}
}
