package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"nix2gpu/image/source"
)

// Options tunes a Client. The zero value works, without credentials.
type Options struct {
	Getenv func(string) string // for credentials; default: no variable is set

	Backoff time.Duration  // wait before the first repetition; it doubles; default: 500ms
	Timeout time.Duration  // how long a registry may take to answer; default: 5 minutes, and less to connect
	Retries *int           // how often a request is repeated; nil: 14 times, within about a minute
	RootCAs *x509.CertPool // default: the machine's
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)

	// Retrying is called before a wait for the repetition of a request; nil: it is not.
	Retrying func(registry string, why string, wait time.Duration)
	// Progress is called with the bytes that were sent, and with all that are known so
	// far; nil: it is not.
	Progress func(done, total int64)
}

// A Client talks to registries. Several goroutines may use it.
type Client struct {
	opts  Options
	keys  *keychain
	trans *transport
}

// New makes a client.
func New(opts Options) *Client {
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	if opts.Retrying == nil {
		opts.Retrying = func(string, string, time.Duration) {}
	}
	if opts.Dial == nil {
		opts.Dial = (&net.Dialer{Timeout: cmp.Or(opts.Timeout, 30*time.Second), KeepAlive: 30 * time.Second}).DialContext
	}
	attempts := defaultAttempts
	if opts.Retries != nil {
		attempts = max(*opts.Retries, 0) + 1
	}
	opts.Backoff = cmp.Or(opts.Backoff, 500*time.Millisecond)
	return &Client{
		opts: opts,
		keys: &keychain{getenv: opts.Getenv},
		trans: &transport{
			inner: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           opts.Dial,
				TLSClientConfig:       &tls.Config{RootCAs: opts.RootCAs},
				ForceAttemptHTTP2:     true,
				MaxIdleConnsPerHost:   jobs,
				IdleConnTimeout:       90 * time.Second,
				TLSHandshakeTimeout:   cmp.Or(opts.Timeout, 20*time.Second),
				ResponseHeaderTimeout: cmp.Or(opts.Timeout, 5*time.Minute), // a registry may take long over a large blob
			},
			backoff:  opts.Backoff,
			attempts: attempts,
			retrying: opts.Retrying,
		},
	}
}

// jobs is how many blobs are transferred at a time.
const jobs = 4

func (c *Client) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(c.keys),
		remote.WithTransport(c.trans),
		remote.WithJobs(jobs),
		remote.WithUserAgent("nix2gpu"),
		// Our transport repeats single requests; this repeats whole uploads.
		remote.WithRetryStatusCodes(),
		remote.WithRetryBackoff(remote.Backoff{Duration: c.opts.Backoff, Factor: 2, Jitter: 0.1, Steps: 6}),
		remote.WithRetryPredicate(beginAnew),
	}
}

// ParseRef parses a reference such as ghcr.io/me/web:v1. A registry on loopback is used
// without TLS.
func ParseRef(ref string) (name.Reference, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, badRef(ref, err)
	}
	if tag, ok := r.(name.Tag); ok && (tag.TagStr()[0] == '.' || tag.TagStr()[0] == '-') { // engines reject such a tag
		return nil, badRef(ref, nil)
	}
	if isLoopback(r.Context().RegistryStr()) {
		r, err = name.ParseReference(ref, name.Insecure)
	}
	return r, err
}

// isLoopback reports whether host, with or without a port, is this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Open opens an image in a registry. Its layers are downloaded when they are read.
func (c *Client) Open(ctx context.Context, ref string) (*source.Source, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	d, err := remote.Get(r, c.options(ctx)...)
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	var s *source.Source
	if d.MediaType.IsIndex() {
		var idx v1.ImageIndex
		if idx, err = d.ImageIndex(); err == nil {
			s = source.FromIndex(ref, idx)
		}
	} else {
		var img v1.Image
		if img, err = d.Image(); err == nil {
			s = source.FromImage(ref, img)
		}
	}
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	s.Elsewhere = func(ctx context.Context, subject v1.Hash) ([]v1.Image, error) {
		return c.referrers(ctx, r.Context().Digest(subject.String()))
	}
	return s, nil
}

func (c *Client) referrers(ctx context.Context, subject name.Digest) ([]v1.Image, error) {
	idx, err := remote.Referrers(subject, c.options(ctx)...)
	if err != nil {
		return nil, c.explain(err, subject, reading)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, c.explain(err, subject, reading)
	}
	var found []v1.Image
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() {
			continue
		}
		img, err := remote.Image(subject.Context().Digest(d.Digest.String()), c.options(ctx)...)
		if err != nil {
			return nil, c.explain(err, subject, reading)
		}
		found = append(found, img)
	}
	return found, nil
}

// Tags returns the tags of a repository, sorted.
func (c *Client) Tags(ctx context.Context, repo string) ([]string, error) {
	r, err := ParseRef(repo)
	if err != nil {
		return nil, err
	}
	tags, err := remote.List(r.Context(), c.options(ctx)...)
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	slices.Sort(tags)
	return tags, nil
}
