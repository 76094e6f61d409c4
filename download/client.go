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

// Parallel is how many downloads of a client run at once.
const Parallel = 8

// Options tunes a Client. The zero value is ready to use.
type Options struct {
	Transport http.RoundTripper // default: the environment's proxy, [Parallel] connections
	Stall     time.Duration     // in which something must arrive; default: 30 s
	Backoff   time.Duration     // before a second try; doubles; default: 500 ms
	Hint      string            // what to do when a server does not do its part
	Came      func(bytes int)   // told of each piece that comes, from several goroutines; nil: nobody is
}

// A Client downloads into a cache. It may be used by several goroutines.
type Client struct {
	cache   *cache.Dir
	http    *http.Client
	stall   time.Duration
	backoff time.Duration
	hint    string
	came    func(bytes int)
	slots   chan struct{}
}

// New makes a client. It should be closed; the cache stays open.
func New(dir *cache.Dir, opts Options) *Client {
	if opts.Transport == nil {
		opts.Transport = Transport()
	}
	return &Client{
		cache: dir, http: &http.Client{Transport: opts.Transport, CheckRedirect: noDowngrade}, stall: cmp.Or(opts.Stall, 30*time.Second), backoff: cmp.Or(opts.Backoff, 500*time.Millisecond),
		hint: cmp.Or(opts.Hint, "--offline takes what the cache has"), came: opts.Came, slots: make(chan struct{}, Parallel),
	}
}

// Transport is what clients use unless they are given another.
func Transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   15 * time.Second,
		MaxIdleConnsPerHost:   Parallel,
		DisableCompression:    true, // a .gz is wanted as it lies there
		ResponseHeaderTimeout: time.Minute,
	}
}

// noDowngrade follows redirections, but for those that leave https.
func noDowngrade(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("it is redirected 10 times")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("it is redirected from https to %s", req.URL.Redacted())
	}
	return nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Have reports whether a file of that size, or with -1 of any, is there; its
// digest was looked at when it came.
func Have(place string, size int64) bool {
	info, err := os.Lstat(place)
	return err == nil && info.Mode().IsRegular() && (size < 0 || info.Size() == size)
}

// Fetch puts a file into its place, a path of the cache, unless it is there. Of
// several programs that want it one downloads, and the others wait for it.
func (c *Client) Fetch(ctx context.Context, f File, place string) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return c.cache.Explain(err)
	}
	part, err := c.part(ctx, place, f)
	if part == nil {
		return err
	}
	defer part.Close() // ends the lock
	if err := c.into(ctx, f, part); err != nil {
		var disk *fs.PathError
		if errors.As(err, &disk) {
			err = c.cache.Explain(err)
			os.Remove(part.Name()) // it would fill the disk for nothing
		} else if info, failed := part.Stat(); failed == nil && info.Size() == 0 {
			os.Remove(part.Name()) // there is nothing to go on with
		}
		return c.cure(ctx, err)
	}
	err = part.Sync()
	if err == nil {
		err = os.Rename(part.Name(), place)
	}
	return c.cache.Explain(err)
}

// part opens the file that becomes place, and locks it: nil when somebody has
// meanwhile made place. What a killed program left in it is gone on with.
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
		// Its last holder may have renamed it, and somebody removed that.
		mine, err := f.Stat()
		now, gone := os.Lstat(f.Name())
		named := err == nil && gone == nil && os.SameFile(mine, now)
		if want.SHA256 != "" && Have(place, want.Size) {
			if named && mine.Size() == 0 { // by ourselves: it was made before we came to ask
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
