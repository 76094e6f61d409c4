package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"nix2gpu/control"
)

// How long it may take to connect. An answer may take for ever: some requests wait.
const (
	dialTime  = 10 * time.Second
	maxSecret = 4 << 10 // bytes of a token's file
)

// TCP says how to reach a supervisor that was started with --listen.
type TCP struct {
	// URL is where it listens: "https://shop.example:9400". Without a scheme it is http
	// for this machine and https for any other. The token would travel in the clear by
	// http, which is therefore refused for others.
	URL string
	// Token proves that we may ask. Without it, it is read from TokenFile, anew for each
	// request, so that it can be replaced.
	Token     string
	TokenFile string
	// CAFile holds the certificates, as PEM, that the server's is to be signed by. Empty:
	// those of this machine.
	CAFile string
}

// NewTCP returns a client of a supervisor that listens on TCP, which answers to reading,
// start, stop and restart, and to what it was allowed to beside that. It does not connect
// yet. The URL may also be that of a control socket: "unix:///path".
func NewTCP(opts TCP) (*Client, error) {
	base, err := parseURL(opts.URL)
	if err != nil {
		return nil, err
	}
	if base.Scheme == "unix" {
		return New(base.Path), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if opts.CAFile != "" {
		if base.Scheme != "https" {
			return nil, invalid("name it with https://", "a file with certificates is for https, and %q is not", opts.URL)
		}
		if config.RootCAs, err = readCertificates(opts.CAFile); err != nil {
			return nil, err
		}
	}
	dialer := &net.Dialer{Timeout: dialTime}
	c := &Client{where: base.String(), base: base.String(), network: "tcp", address: base.Host, token: opts.token, http: &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: dialTime, DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a supervisor sends nobody elsewhere
	}}
	return c, nil
}

func invalid(cure, format string, args ...any) error {
	return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf(format, args...), Hint: cure}
}

// parseURL checks where a supervisor is.
func parseURL(text string) (*url.URL, error) {
	const like = "it is like https://shop.example:9400 or 127.0.0.1:9400"
	full := text
	if !strings.Contains(text, "://") {
		full = "//" + text
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, invalid(like, "the address %q is no URL", text)
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return nil, invalid("it is like unix:///run/user/1000/nix2gpu/shop.sock", "the address %q names no socket", text)
		}
		return u, nil
	case "", "tcp":
		u.Scheme = "https"
		if loopback(u.Hostname()) {
			u.Scheme = "http"
		}
	case "http", "https":
	default:
		return nil, invalid(like, "the address %q has another scheme than http, https or unix", text)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	switch {
	case u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, invalid(like, "the address %q is not that of a project", text)
	case u.User != nil:
		return nil, invalid("give the token in a file", "the address of a project has no user or password")
	case u.Port() == "":
		return nil, invalid(like, "the address %q has no port", text)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, invalid("use https://, or a tunnel to this machine", "by http the token would travel to %s in the clear", u.Hostname())
	}
	return u, nil
}

// loopback reports whether a host is this machine, without asking anybody.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || host == "localhost"
}

// token returns the token to send; "" is none.
func (o *TCP) token() (string, error) {
	if o.Token != "" || o.TokenFile == "" {
		return o.Token, nil
	}
	f, err := os.Open(o.TokenFile)
	if err != nil {
		return "", tokenError(o.TokenFile, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", tokenError(o.TokenFile, err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || len(data) > maxSecret || strings.ContainsAny(token, " \t\r\n") {
		return "", invalid("it is the file that --listen-token-file names, or the file \"token\" in the state folder of the project", "token file %q must have one word", o.TokenFile)
	}
	return token, nil
}

func tokenError(file string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return invalid("copy it from the machine where the project runs", "token file %q: %v", file, err)
}

func readCertificates(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, invalid("name the certificate of the server, or of the authority that has signed it", "certificates %q: %v", file, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, invalid("it is text that begins with -----BEGIN CERTIFICATE-----", "%q holds no certificate", file)
	}
	return pool, nil
}

// explainTCP turns the failure to get a response over TCP into an error for the user.
func (c *Client) explainTCP(ctx context.Context, err error) error {
	var op *net.OpError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &authority):
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("nobody whom this machine trusts has signed the certificate of %s", c.address), Hint: "name the certificate with --ca-file"}
	case errors.As(err, &name):
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("the certificate of %s: %v", c.address, name), Hint: "use a name that it has"}
	case errors.As(err, &verify):
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("the certificate of %s: %v", c.address, verify.Err), Hint: "renew it on the server"}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("%s speaks http, not https", c.address), Hint: "http is for addresses of this machine only: use 127.0.0.1 there, or a tunnel"}
	case errors.As(err, &dns):
		return &control.Error{Code: control.CodeNotRunning, Msg: fmt.Sprintf("no address of %q is known", dns.Name), Hint: "check how it is spelled"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &control.Error{Code: control.CodeNotRunning, Msg: fmt.Sprintf("nothing listens at %s", c.where), Hint: "start the project with --listen"}
	case errors.As(err, &op) && op.Op == "dial":
		return &control.Error{Code: control.CodeNotRunning, Msg: fmt.Sprintf("cannot reach %s: %v", c.address, op.Err), Hint: "check the address, and what is between it and this machine"}
	case c.listens(ctx):
		return &control.Error{Code: control.CodeBusy, Msg: fmt.Sprintf("%s closed the connection without an answer", c.where), Hint: "it may be no supervisor of nix2gpu, speak https, or have too much to do: try again"}
	}
	return &control.Error{Code: control.CodeNotRunning, Msg: fmt.Sprintf("the supervisor at %s went away", c.where), Hint: "start the project anew there"}
}
