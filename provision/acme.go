package provision

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/safefile"
)

// acmeOptions are the flags of both tasks. Certificates are in dir, each a file with its
// key, called as the first of its names.
type acmeOptions struct {
	dir   string
	names words // of each certificate, with commas

	roots         words // of each certificate: the folder that the server shows at acmePath
	server, email string
	ca            string // a file of authorities that the server's own certificate may be by; "": the machine's

	// What to tell the server of a new certificate with: pid names the file of its process, whose
	// command line has config.
	pid, config string
	signal      int
}

func (o *acmeOptions) flags(work string) *flag.FlagSet {
	f := flag.NewFlagSet("acme "+work, flag.ContinueOnError)
	f.StringVar(&o.dir, "dir", "", "")
	f.Var(&o.names, "names", "")
	if work == "get" {
		f.Var(&o.roots, "root", "")
		f.StringVar(&o.server, "server", "", "")
		f.StringVar(&o.email, "email", "", "")
		f.StringVar(&o.ca, "ca", "", "")
		f.StringVar(&o.pid, "pid", "", "")
		f.StringVar(&o.config, "config", "", "")
		f.IntVar(&o.signal, "signal", 0, "")
	}
	return f
}

const (
	// acmePath is where an authority asks for a file, by http (RFC 8555, section 8.3).
	acmePath = "/.well-known/acme-challenge"
	// placeholder is the organization in a certificate of our own. Its server starts with
	// that, and has to answer the authority before there is another one.
	placeholder = "nix2gpu placeholder"
	// untold ends the name of a file beside a new certificate, until the server has been told of it:
	// we may be killed in between, and the next run has nothing to get.
	untold = ".untold"
	// An authority that has not given a certificate by then is asked again later.
	acmePatience = 2 * time.Minute
)

// file is where the certificate for these names is, behind its key.
func (o *acmeOptions) file(names []string) string { return filepath.Join(o.dir, names[0]+".pem") }

// initACME makes a certificate of our own for each that is missing.
func initACME(o acmeOptions) error {
	for _, list := range o.names {
		names := strings.Split(list, ",")
		if _, err := readCertificate(o.file(names)); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		now := time.Now()
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{Organization: []string{placeholder}, CommonName: names[0]}, DNSNames: names,
			NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
		if err != nil {
			return err
		}
		if err := writeCertificate(o.file(names), key, [][]byte{der}); err != nil {
			return err
		}
	}
	return nil
}

// getCertificates asks the authority for each certificate that is missing or grows old, and
// has the server read what is new. It asks for all at once: one whose name the authority
// does not find keeps no other waiting.
func getCertificates(ctx context.Context, o acmeOptions, stdio Stdio) error {
	var wanted []int
	var failed []error
	for i, list := range o.names {
		names := strings.Split(list, ",")
		cert, err := readCertificate(o.file(names))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || due(cert, names, time.Now()) {
			wanted = append(wanted, i)
		} else if _, err := os.Lstat(o.file(names) + untold); err == nil {
			failed = append(failed, o.tellOf(names))
		}
	}
	if len(wanted) == 0 {
		return errors.Join(failed...)
	}
	client, err := o.account(ctx)
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	first := len(failed)
	failed = append(failed, make([]error, len(wanted))...)
	var all sync.WaitGroup
	for n, i := range wanted {
		n += first
		all.Go(func() {
			names := strings.Split(o.names[i], ",")
			if failed[n] = o.get(ctx, client, names, o.roots[i], stdio); failed[n] == nil {
				failed[n] = o.tellOf(names)
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// get has the authority give one certificate.
func (o *acmeOptions) get(ctx context.Context, client *acme.Client, names []string, root string, stdio Stdio) error {
	all := strings.Join(names, ", ")
	chain, key, err := o.order(ctx, client, names, root)
	var cert *x509.Certificate
	if err == nil {
		cert, err = x509.ParseCertificate(chain[0])
	}
	if err == nil {
		err = safefile.Replace(o.file(names)+untold, nil, 0o600)
	}
	if err == nil {
		err = writeCertificate(o.file(names), key, chain)
	}
	if err != nil {
		return fmt.Errorf("no certificate for %s: %w", all, err)
	}
	fmt.Fprintf(stdio.Out, "a certificate for %s, by %s, valid until %s\n", all, cert.Issuer, cert.NotAfter.Format(time.DateTime))
	return nil
}

// due reports whether another certificate is to be had: two thirds of this one's time are
// over, it is none of an authority's, or it lacks a name.
func due(cert *x509.Certificate, names []string, now time.Time) bool {
	left := cert.NotAfter.Sub(cert.NotBefore) / 3
	return slices.Contains(cert.Subject.Organization, placeholder) || now.After(cert.NotAfter.Add(-left)) ||
		slices.ContainsFunc(names, func(name string) bool { return cert.VerifyHostname(name) != nil })
}

// account returns a client whose account the authority knows. Its key is kept: an
// authority limits how many accounts it makes.
func (o *acmeOptions) account(ctx context.Context) (*acme.Client, error) {
	file := filepath.Join(o.dir, "account.key")
	key, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			err = writeCertificate(file, key, nil)
		}
	}
	if err != nil {
		return nil, err
	}
	client := &acme.Client{Key: key, DirectoryURL: o.server, UserAgent: "nix2gpu"}
	if o.ca != "" {
		text, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool() // where the system has none
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, lasting(fmt.Errorf("%s has no certificate\n  hint: acme.caFile must be a file of certificates in PEM, as an authority gives out its own", o.ca))
		}
		client.HTTPClient = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	}
	ctx, cancel := context.WithTimeout(ctx, acmePatience)
	defer cancel()
	_, err = client.Register(ctx, &acme.Account{Contact: []string{"mailto:" + o.email}}, acme.AcceptTOS)
	if err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, fmt.Errorf("%s gives no account: %w", o.server, err)
	}
	return client, nil
}

// order has the authority check the names and sign a new key. root is where the server finds what the
// authority asks for.
func (o *acmeOptions) order(ctx context.Context, client *acme.Client, names []string, root string) (chain [][]byte, key *ecdsa.PrivateKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, acmePatience)
	defer cancel()
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(names...))
	if err != nil {
		return nil, nil, err
	}
	for _, url := range order.AuthzURLs {
		if err := o.prove(ctx, client, url, root); err != nil {
			return nil, nil, err
		}
	}
	if order, err = client.WaitOrder(ctx, order.URI); err != nil {
		return nil, nil, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	if err != nil {
		return nil, nil, err
	}
	chain, _, err = client.CreateOrderCert(ctx, order.FinalizeURL, request, true)
	return chain, key, err
}

// prove answers what the authority asks of one name, by a file.
func (o *acmeOptions) prove(ctx context.Context, client *acme.Client, url, root string) error {
	authz, err := client.GetAuthorization(ctx, url)
	if err != nil || authz.Status == acme.StatusValid {
		return err
	}
	name := authz.Identifier.Value
	i := slices.IndexFunc(authz.Challenges, func(c *acme.Challenge) bool { return c.Type == "http-01" })
	if i < 0 {
		return lasting(fmt.Errorf("the authority does not check %s by http\n  hint: name one by acme.server that does (http-01)", name))
	}
	challenge := authz.Challenges[i]
	answer, err := client.HTTP01ChallengeResponse(challenge.Token)
	if err != nil {
		return err
	}
	if filepath.Base(challenge.Token) != challenge.Token { // it comes from the network
		return fmt.Errorf("the authority asks for %q, which is no name of a file\n  hint: acme.server must be the directory of an ACME server", challenge.Token)
	}
	file := filepath.Join(root, acmePath, challenge.Token)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := safefile.Replace(file, []byte(answer), 0o644); err != nil {
		return err
	}
	defer os.Remove(file)
	if _, err := client.Accept(ctx, challenge); err != nil {
		return err
	}
	_, err = client.WaitAuthorization(ctx, url)
	if refused, ok := errors.AsType[*acme.AuthorizationError](err); ok {
		return fmt.Errorf("%w\n  hint: http://%s, at port 80, must lead to this server from where the authority is", errors.Join(refused.Errors...), name)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the authority has not found %s in %v\n  hint: http://%s, at port 80, must lead to this server from where the authority is", name, acmePatience, name)
	}
	return err
}

// tellOf has the server read a new certificate, and keeps that in mind.
func (o *acmeOptions) tellOf(names []string) error {
	if err := o.tell(); err != nil {
		return err
	}
	return os.Remove(o.file(names) + untold)
}

// tell has the server read its certificates. One that does not run reads them when it starts.
func (o *acmeOptions) tell() error {
	text, err := os.ReadFile(o.pid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return nil // it begins or ends just now
	}
	if err := process.SignalServer(pid, o.config, project.Signal(o.signal)); err != nil && !errors.Is(err, process.ErrGone) {
		return fmt.Errorf("cannot have the server read its new certificate: %w", err)
	}
	return nil
}

// readCertificate reads the first certificate of a file, which the key in it must fit. A file that
// has something else, as a full disk leaves it, counts as missing.
func readCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return pair.Leaf, nil
}

// readKey reads the key of an account, in the same way.
func readKey(file string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := key.(*ecdsa.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, fs.ErrNotExist
}

// writeCertificate writes a key and the certificates for it into one file, so that nobody
// reads one of each.
func writeCertificate(file string, key crypto.Signer, chain [][]byte) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, cert := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...)
	}
	return safefile.Replace(file, text, 0o600)
}
