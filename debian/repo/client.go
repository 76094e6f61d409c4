package repo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nix2gpu/cache"
	"nix2gpu/debian"
	"nix2gpu/download"
)

// Options tunes a Client.
type Options struct {
	Cache    string    // folder of the cache; required
	Archives []Archive // from [Place.Archives]; required
	Offline  bool      // never use the network
	// Snapshot is the URL of an archive of old versions, in which {archive} stands for
	// the archive's name; "" for none.
	Snapshot string

	// Proxy chooses the proxy for archives, as [AptConfig.Proxy] does; nil: by the
	// environment.
	Proxy     func(*http.Request) (*url.URL, error)
	Transport http.RoundTripper // for all requests; default: one that uses Proxy
	Now       func() time.Time  // default: time.Now
	Stall     time.Duration     // limit without any data from a server; default: 30 s
	Retries   *int              // how often what failed is tried again; nil: 3 times
	Backoff   time.Duration     // wait before the second try; default: 500 ms

	// Progress is called with the bytes downloaded so far, and with all that the cache
	// lacked. It is called from several goroutines; nil: it is not called.
	Progress func(done, total int64)
}

// largestInRelease bounds, in bytes, what is read before its signature was verified.
const largestInRelease = 16 << 20

// A Client downloads indexes and packages. It must be closed. Several goroutines may use
// it.
type Client struct {
	opts     Options
	cache    *cache.Dir
	download *download.Client // for archives
	files    *download.Client // for all else, without apt's proxies

	came, total atomic.Int64 // bytes of the present downloads, for Progress

	mu    sync.Mutex
	there map[string]*debian.Index // by architecture; for GoneError, read at most once
}

// NewClient opens the cache. Nothing is downloaded.
func NewClient(ctx context.Context, opts Options) (*Client, error) {
	dir, err := cache.Open(ctx, opts.Cache)
	if err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Client{opts: opts, cache: dir}
	how := download.Options{
		Transport: opts.Transport, Stall: opts.Stall, Retries: opts.Retries, Backoff: opts.Backoff, Hint: "another mirror with --mirror URL, or --offline with what the cache has",
		Came: c.progress,
	}
	c.files = download.New(dir, how)
	if opts.Transport == nil && opts.Proxy != nil {
		t := download.Transport()
		t.Proxy, how.Transport = opts.Proxy, t
	}
	c.download = download.New(dir, how)
	return c, nil
}

// expect adds total bytes to the progress, until done is called.
func (c *Client) expect(total int64) (done func()) {
	if c.opts.Progress == nil {
		return func() {}
	}
	c.came.Store(0)
	c.total.Store(total)
	return func() {
		c.total.Store(0)
		c.opts.Progress(total, total) // another program may have downloaded some
	}
}

// progress counts bytes that have arrived. What was bad and came again counts twice.
func (c *Client) progress(bytes int) {
	total := c.total.Load()
	if done := c.came.Add(int64(bytes)); total > 0 {
		c.opts.Progress(min(done, total), total)
	}
}

// Close releases the cache and closes idle connections.
func (c *Client) Close() error {
	c.download.Close()
	c.files.Close()
	return c.cache.Close()
}

// The folders of the cache.
const (
	packagesFolder = "packages"
	indexFolder    = "indexes"
)

// An OfflineError names what is not in the cache while the network must not be used.
type OfflineError struct{ What string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is not in the cache, and --offline asks for no network\nhint: run it once without --offline", e.What)
}

// A GoneError says that an archive no longer has a locked package.
type GoneError struct {
	Package debian.Locked
	There   string // the version that it has now; "" if it has none
	Err     error
}

func (e *GoneError) Error() string {
	text := fmt.Sprintf("package %s has left the archive %q", e.Package, e.Package.Archive)
	cure := "set NIX2GPU_SNAPSHOT to the URL of an archive that keeps old versions"
	if e.There != "" {
		text += ", which has version " + e.There + " now"
		cure = "nix2gpu lock --update " + e.Package.Name + ", or " + cure
	}
	return fmt.Sprintf("%s: %v\nhint: %s", text, e.Err, cure)
}

func (e *GoneError) Unwrap() error { return e.Err }

// gone makes a *GoneError, after looking up which version the archive has instead.
func (c *Client) gone(ctx context.Context, p debian.Locked, err error) error {
	e := &GoneError{Package: p, Err: err}
	arch := p.Arch
	if arch == "all" {
		arch = "amd64" // every archive has amd64, and "all" is the same everywhere
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.there == nil {
		c.there = map[string]*debian.Index{}
	}
	ix, asked := c.there[arch]
	if !asked {
		ix, _, _ = c.Index(ctx, arch) // without an index the error is only less helpful
		c.there[arch] = ix
	}
	if ix != nil {
		if now := ix.Newest(p.Name); now != nil && now.SHA256 != p.SHA256 {
			e.There = now.Version
		}
	}
	return e
}

// Fetch downloads all packages that the cache lacks, and reports every failure.
func (c *Client) Fetch(ctx context.Context, packages []debian.Locked) error {
	total := int64(0)
	for _, p := range packages {
		if !download.Have(c.cache.Path(packagesFolder, name(p)), p.Size) {
			total += p.Size
		}
	}
	defer c.expect(total)()
	return download.All(ctx, packages, isGone, c.fetch)
}

func isGone(err error) bool {
	var gone *GoneError
	return errors.As(err, &gone)
}

// Open opens a package, after downloading it if the cache lacks it. Reading to the end
// verifies the digest: if it is wrong, Read returns an error there, and the file is
// removed from the cache.
func (c *Client) Open(ctx context.Context, p debian.Locked) (io.ReadCloser, error) {
	if err := c.fetch(ctx, p); err != nil {
		return nil, err
	}
	f, err := os.Open(c.cache.Path(packagesFolder, name(p)))
	if err != nil {
		return nil, c.cache.Explain(err)
	}
	return &checked{f, sha256.New(), p}, nil
}

// name returns the name of a package's file in the cache. It is made of the digest, so
// files never go stale.
func name(p debian.Locked) string { return p.SHA256 + ".deb" }

// fetch downloads a package if the cache lacks it.
func (c *Client) fetch(ctx context.Context, p debian.Locked) error {
	if !isDigest(p.SHA256) {
		return fmt.Errorf("package %s: %q is not a SHA-256 digest: an archive that names none cannot be used", p, p.SHA256)
	}
	if err := debian.CheckPath(p.Path); err != nil {
		return fmt.Errorf("package %s: %w", p, err)
	}
	place := c.cache.Path(packagesFolder, name(p))
	if download.Have(place, p.Size) {
		c.cache.Used(packagesFolder, name(p), c.opts.Now())
		return nil
	}
	if c.opts.Offline {
		return &OfflineError{"package " + p.String()}
	}
	roots, own, err := c.roots(p)
	if err != nil {
		return err
	}
	for i, root := range roots {
		err = c.download.Fetch(ctx, download.File{URL: root + "/" + escape(p.Path), Size: p.Size, SHA256: p.SHA256}, place)
		last := i == len(roots)-1
		if !download.IsGone(err) {
			if err == nil || i >= own-1 || ctx.Err() != nil {
				return refused(err)
			}
			continue // another mirror may have it, or the archive of another architecture
		}
		if last {
			return c.gone(ctx, p, err)
		}
	}
	return err
}

// refused adds the cure to an answer of 401 or 403.
func refused(err error) error {
	var status *download.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden) {
		return fmt.Errorf("%w\nhint: is a proxy in the way? if not, take another mirror with --mirror URL", err)
	}
	return err
}

// roots returns the roots for the files of a package's archive, in the order in which to
// try them. The first own of them are the archive's own, one for each architecture;
// the rest are mirrors and the snapshot.
func (c *Client) roots(p debian.Locked) (roots []string, own int, err error) {
	for _, a := range c.opts.Archives {
		if a.Name != p.Archive || !a.serves(p.Arch) {
			continue
		}
		for _, root := range a.roots() {
			if !slices.Contains(roots, root) {
				roots = append(roots, root)
			}
		}
	}
	if own = len(roots); own > 0 {
		if c.opts.Snapshot != "" {
			roots = append(roots, strings.TrimRight(strings.ReplaceAll(c.opts.Snapshot, "{archive}", p.Archive), "/"))
		}
		return roots, own, nil
	}
	return nil, 0, fmt.Errorf("package %s is of the archive %q, which the definition does not name", p, p.Archive)
}

// escape makes a path fit for a URL. Names in archives hold + and ~, which need no
// escape, and %, which does.
func escape(path string) string { return strings.ReplaceAll(path, "%", "%25") }
