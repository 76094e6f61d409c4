package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/cache"
	"nix2gpu/safefile"
)

// Parallel is how many downloads of a client run at a time.
const Parallel = 8

// Options tunes a Client. The zero value is ready to use.
type Options struct {
	Transport http.RoundTripper // default: the environment's proxy, [Parallel] connections
	Stall     time.Duration     // how long a server may send next to nothing, from the start on; default: 30 s
	Retries   *int              // how often what failed is tried again; nil: 3 times
	Backoff   time.Duration     // wait before the second try; it doubles; default: 500 ms
	Hint      string            // the cure for errors of a server
	Came      func(bytes int)   // called for each piece that arrives, from several goroutines; may be nil
}

// A Client downloads into a cache. Several goroutines may use it.
type Client struct {
	cache   *cache.Dir
	http    *http.Client
	stall   time.Duration
	tries   int
	backoff time.Duration
	hint    string
	came    func(bytes int)
	slots   chan struct{}
}

// New makes a client. It should be closed; that leaves the cache open.
func New(dir *cache.Dir, opts Options) *Client {
	if opts.Transport == nil {
		opts.Transport = Transport()
	}
	tries := defaultTries
	if opts.Retries != nil {
		tries = max(*opts.Retries, 0) + 1
	}
	return &Client{
		tries: tries,
		cache: dir, http: &http.Client{Transport: opts.Transport, CheckRedirect: noDowngrade}, stall: cmp.Or(opts.Stall, 30*time.Second), backoff: cmp.Or(opts.Backoff, 500*time.Millisecond),
		hint: cmp.Or(opts.Hint, "--offline takes what the cache has"), came: opts.Came, slots: make(chan struct{}, Parallel),
	}
}

// Transport returns the default transport of clients.
func Transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		MaxIdleConnsPerHost:   Parallel,
		DisableCompression:    true, // a .gz file must arrive as it is
		ResponseHeaderTimeout: time.Minute,
	}
}

// noDowngrade refuses redirections from https to http.
func noDowngrade(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("it is redirected 10 times")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("it is redirected from https to %s", req.URL.Redacted())
	}
	return nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Have reports whether there is a file of that size, or of any size for -1. Its digest
// was verified when it was downloaded.
func Have(place string, size int64) bool {
	info, err := os.Lstat(place)
	return err == nil && info.Mode().IsRegular() && (size < 0 || info.Size() == size)
}

// Fetch downloads a file to place, a path in the cache, unless it is there. If several
// programs want it, one downloads it and the others wait.
func (c *Client) Fetch(ctx context.Context, f File, place string) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return c.cache.Explain(err)
	}
	part, err := c.part(ctx, place, f)
	if part == nil {
		return err
	}
	defer part.Close() // releases the lock
	if err := c.into(ctx, f, part); err != nil {
		var disk *fs.PathError
		if errors.As(err, &disk) {
			err = c.cache.Explain(err)
			os.Remove(part.Name()) // the disk is full: don't keep the part
		} else if info, failed := part.Stat(); failed == nil && info.Size() == 0 {
			os.Remove(part.Name()) // an empty part is of no use
		}
		return c.cure(ctx, err)
	}
	err = part.Sync()
	if err == nil {
		err = os.Rename(part.Name(), place)
	}
	return c.cache.Explain(err)
}

// part opens and locks the file that will be renamed to place. It returns nil if
// somebody has completed place meanwhile. A part that a killed program has left is
// continued.
func (c *Client) part(ctx context.Context, place string, want File) (*os.File, error) {
	for {
		f, err := os.OpenFile(place+".part", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, c.cache.Explain(err)
		}
		if err := safefile.Flock(ctx, f, unix.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
		// The last holder of the lock may have renamed it, and the result may have
		// been removed.
		mine, err := f.Stat()
		now, gone := os.Lstat(f.Name())
		named := err == nil && gone == nil && os.SameFile(mine, now)
		if want.SHA256 != "" && Have(place, want.Size) {
			if named && mine.Size() == 0 { // we have just created it, after place was completed
				os.Remove(f.Name())
			}
			f.Close()
			return nil, nil
		}
		if named {
			return f, nil
		}
		f.Close()
	}
}
