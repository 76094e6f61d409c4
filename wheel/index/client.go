package index

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nix2gpu/cache"
	"nix2gpu/download"
	"nix2gpu/wheel"
	"nix2gpu/wheel/archive"
)

// Default is the index that is used unless another one is named.
const Default = "https://pypi.org/simple"

// Options tunes a Client.
type Options struct {
	Cache   string // the folder of the cache; required
	Index   string // default: [Default]
	Extra   []string
	NoIndex bool     // use no index
	Folders []string // folders with further wheels
	Offline bool     // never use the network

	// Progress is called with the bytes downloaded so far, and with all that are known
	// to be needed, from several goroutines; nil: it is not called.
	Progress func(done, total int64)

	Transport http.RoundTripper // default: the environment's proxy
	Now       func() time.Time  // default: time.Now
	Stall     time.Duration     // see [download.Options]
	Retries   *int              // likewise
	Backoff   time.Duration
}

// largestPage bounds a page of an index, in bytes. The largest project's has 20 MB.
const largestPage = 128 << 20

// folder is the folder of the cache for wheels.
const folder = "wheels"

// A Client downloads wheels. Several goroutines may use it. It must be closed: until
// then, the cache keeps what it uses.
type Client struct {
	opts     Options
	roots    []*url.URL // without user and password, and with a slash at the end
	cache    *cache.Dir
	download *download.Client

	came, total atomic.Int64 // bytes of wheels, for Progress

	mu    sync.Mutex
	pages map[string][]wheel.File
}

// New opens the cache. The URLs of indexes may contain a user and a password.
func New(ctx context.Context, opts Options) (*Client, error) {
	c := &Client{opts: opts, pages: map[string][]wheel.File{}}
	users := map[string][]login{}
	texts := append([]string{cmp.Or(opts.Index, Default)}, opts.Extra...)
	if opts.NoIndex {
		texts = nil
	}
	for _, text := range texts {
		root, user, err := parseRoot(text)
		if err != nil {
			return nil, err
		}
		if user != nil {
			users[origin(root)] = append(users[origin(root)], login{root.Path, user})
		}
		if !slices.ContainsFunc(c.roots, func(r *url.URL) bool { return r.String() == root.String() }) {
			c.roots = append(c.roots, root)
		}
	}
	if opts.Now == nil {
		c.opts.Now = time.Now
	}
	transport := opts.Transport
	if transport == nil {
		transport = download.Transport()
	}
	var err error
	if c.cache, err = cache.Open(ctx, opts.Cache); err != nil {
		return nil, err
	}
	c.download = download.New(c.cache, download.Options{
		Transport: &authorized{transport, users}, Stall: opts.Stall, Retries: opts.Retries, Backoff: opts.Backoff,
		Hint: "name another index with --index-url or PIP_INDEX_URL, or --offline with what the cache has",
		Came: c.progress,
	})
	return c, nil
}

// progress counts bytes that have arrived. What was bad and came again counts twice.
func (c *Client) progress(bytes int) {
	done, total := c.came.Add(int64(bytes)), c.total.Load()
	if c.opts.Progress != nil && total > 0 { // pages, which come before any wheel, don't count
		c.opts.Progress(min(done, total), total)
	}
}

// Close releases the cache and closes idle connections.
func (c *Client) Close() error {
	c.download.Close()
	return c.cache.Close()
}

// parseRoot parses the URL of an index. Errors don't show its password.
func parseRoot(text string) (*url.URL, *url.Userinfo, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, nil, errors.New("the URL of a Python index cannot be read: it must be as https://user:password@host/simple")
	}
	user := u.User
	u.User = nil
	switch {
	case u.Scheme == "http" && u.Host != "" && !isLoopback(u.Hostname()):
		return nil, nil, fmt.Errorf("the Python index %s must be reached by https: anybody on the way can change what comes by http", u)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, nil, fmt.Errorf("%q must be the URL of a Python index, as %s", u, Default)
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	return u, user, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// authorized adds a user and password to requests to the host that they are for, and to
// no other, even after a redirection.
type authorized struct {
	next  http.RoundTripper
	users map[string][]login // by origin
}

// A login is the user of one index.
type login struct {
	path string // of the index
	user *url.Userinfo
}

// user returns the user for a URL; nil if its host has none. Of several indexes on one
// host, it is that of the index whose path has most in common with the URL's, as with
// pip: an index need not have its files below its own path.
func (a *authorized) user(u *url.URL) *url.Userinfo {
	var user *url.Userinfo
	most := -1
	for _, l := range a.users[origin(u)] {
		n := 0
		for n < len(l.path) && n < len(u.Path) && l.path[n] == u.Path[n] {
			n++
		}
		if n >= most {
			user, most = l.user, n
		}
	}
	return user
}

func (a *authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if user := a.user(r.URL); user != nil && r.Header.Get("Authorization") == "" {
		r = r.Clone(r.Context())
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	return a.next.RoundTrip(r)
}

// CloseIdleConnections is called by [http.Client.CloseIdleConnections].
func (a *authorized) CloseIdleConnections() {
	if t, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// An OfflineError names what is not in the cache while the network must not be used.
type OfflineError struct{ What string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is not in the cache, and --offline asks for no network\nhint: run it once without --offline", e.What)
}

// Files implements [wheel.Source]. A project's files are kept for the life of the
// client, so that all of a lock is chosen from the same page.
func (c *Client) Files(ctx context.Context, project string) ([]wheel.File, error) {
	c.mu.Lock()
	files, ok := c.pages[project]
	c.mu.Unlock()
	if ok {
		return files, nil
	}
	files, err := c.inFolders(project)
	if err != nil {
		return nil, err
	}
	if c.opts.Offline && len(c.roots) > 0 {
		if len(files) == 0 {
			return nil, &OfflineError{fmt.Sprintf("what the index has of %q", project)}
		}
		return files, nil
	}
	for _, root := range c.roots {
		page, err := c.download.Page(ctx, root.String()+url.PathEscape(project)+"/", accept, largestPage)
		if download.IsGone(err) {
			continue // another index may have it
		}
		if err != nil {
			return nil, explain(err)
		}
		found, err := parsePage(page.Data, page.Type, page.URL)
		if err != nil {
			return nil, fmt.Errorf("cannot use the page of %q at %s: %w", project, root, err)
		}
		files = append(files, found...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages[project] = files
	return files, nil
}

// explain adds the cure to an answer of 401 or 403.
func explain(err error) error {
	var status *download.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden) {
		return fmt.Errorf("%w\nhint: give user and password in the URL of the index: PIP_INDEX_URL=https://user:password@host/simple", err)
	}
	return err
}

// place returns the path of a wheel in the cache. It is made of the digest, so an entry
// never goes stale.
func (c *Client) place(sum string) string { return c.cache.Path(folder, sum+".whl") }

// Inspect implements [wheel.Source].
func (c *Client) Inspect(ctx context.Context, f wheel.File) (*wheel.Inspected, error) {
	sum, err := c.get(ctx, f)
	if err != nil {
		return nil, err
	}
	out, err := c.inspect(f.Name, sum)
	if err != nil {
		return nil, err
	}
	out.Path = c.relative(f.URL, f.Name)
	return out, nil
}

// get downloads a file of an index, and returns its digest.
func (c *Client) get(ctx context.Context, f wheel.File) (string, error) {
	if f.SHA256 != "" {
		return f.SHA256, c.fetch(ctx, f.URL, f.Size, f.SHA256)
	}
	if u, err := url.Parse(f.URL); err != nil {
		return "", err
	} else if u.Scheme != "https" && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("%s must come by https: the index has no digest of it\nhint: behind a proxy, let the index know that clients reach it by https, or make it list digests", u.Redacted())
	}
	// The digest is known only at the end. Until then the name is this process's
	// own, so that no other takes the file away.
	id := sha256.Sum256([]byte(f.URL))
	fresh := c.cache.Path(folder, fmt.Sprintf("%x.%d.new", id[:8], os.Getpid()))
	if err := c.download.Fetch(ctx, download.File{URL: f.URL, Size: -1}, fresh); err != nil {
		return "", explain(err)
	}
	defer os.Remove(fresh) // fails if it was renamed
	sum, err := digestOf(fresh)
	if err != nil {
		return "", c.cache.Explain(err)
	}
	return sum, c.cache.Explain(os.Rename(fresh, c.place(sum)))
}

// digestOf returns the SHA-256 of a file, in hexadecimal.
func digestOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fetch brings a file of a known digest into the cache, unless it is there.
func (c *Client) fetch(ctx context.Context, from string, size int64, sum string) error {
	place := c.place(sum)
	if download.Have(place, size) {
		c.cache.Used(folder, filepath.Base(place), c.opts.Now())
		return nil
	}
	if file, ok := strings.CutPrefix(from, fileScheme); ok {
		return c.copy(file, sum)
	}
	known := max(size, 0)
	c.total.Add(known)
	err := c.download.Fetch(ctx, download.File{URL: from, Size: size, SHA256: sum}, place)
	if download.IsGone(err) { // another index may have it, and is then counted
		c.total.Add(-known)
	}
	return explain(err)
}

// relative returns a file's address relative to its index; "" if it is on another host.
func (c *Client) relative(file, name string) string {
	to, err := url.Parse(file)
	if err != nil || to.RawQuery != "" || path.Base(to.Path) != name {
		return ""
	}
	for _, root := range c.roots {
		if origin(root) != origin(to) {
			continue
		}
		if rel, err := filepath.Rel(root.Path, to.Path); err == nil {
			return (&url.URL{Path: filepath.ToSlash(rel)}).EscapedPath()
		}
	}
	return ""
}

// inspect reads a wheel in the cache.
func (c *Client) inspect(file, sum string) (*wheel.Inspected, error) {
	f, err := os.Open(c.place(sum))
	if err != nil {
		return nil, c.cache.Explain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, c.cache.Explain(err)
	}
	w, err := archive.Open(file, f, info.Size())
	if err != nil {
		return nil, err
	}
	return &wheel.Inspected{
		Locked:   wheel.Locked{Name: w.Name, Version: w.Version.String(), File: file, Size: info.Size(), SHA256: sum, Programs: w.Programs},
		Metadata: w.Metadata,
	}, nil
}

// Again implements [wheel.Source].
func (c *Client) Again(ctx context.Context, l wheel.Locked) (*wheel.Inspected, error) {
	if err := c.Fetch(ctx, []wheel.Locked{l}); err != nil {
		return nil, err
	}
	out, err := c.inspect(l.File, l.SHA256)
	if err != nil {
		return nil, err
	}
	out.Path = l.Path
	return out, nil
}

// A GoneError says that no index has a locked wheel any longer.
type GoneError struct {
	Wheel wheel.Locked
	There string // the newest version that there is; "" if there is none
}

func (e *GoneError) Error() string {
	text := fmt.Sprintf("wheel %s has left the index", e.Wheel.File)
	cure := "--extra-index-url names one that has it"
	if e.There != "" {
		text += ", which has version " + e.There + " now"
		cure = "take that into the requirements, then nix2gpu lock; or " + cure
	}
	return text + "\nhint: " + cure
}

// Fetch downloads all wheels that the cache lacks, and reports every failure.
func (c *Client) Fetch(ctx context.Context, wheels []wheel.Locked) error {
	gone := func(err error) bool {
		var gone *GoneError
		return errors.As(err, &gone)
	}
	return download.All(ctx, wheels, gone, c.fetchLocked)
}

// fetchLocked downloads a wheel from its old address, or from where an index has it now.
func (c *Client) fetchLocked(ctx context.Context, l wheel.Locked) error {
	if err := l.Check(); err != nil {
		return fmt.Errorf("wheel %s: %w", l, err)
	}
	if download.Have(c.place(l.SHA256), l.Size) {
		c.cache.Used(folder, l.SHA256+".whl", c.opts.Now())
		return nil
	}
	if l.Path != "" && !c.opts.Offline {
		for _, root := range c.roots {
			to, err := root.Parse(l.Path)
			if err != nil {
				return err
			}
			if err := c.fetch(ctx, to.String(), l.Size, l.SHA256); !download.IsGone(err) {
				return err
			}
		}
	}
	files, err := c.Files(ctx, l.Name)
	var offline *OfflineError
	if errors.As(err, &offline) {
		return &OfflineError{"wheel " + l.File}
	} else if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name != l.File || f.SHA256 != "" && f.SHA256 != l.SHA256 {
			continue
		}
		if err := c.fetch(ctx, f.URL, l.Size, l.SHA256); !download.IsGone(err) {
			return err
		}
	}
	e := &GoneError{Wheel: l}
	var newest wheel.Version
	for _, f := range files {
		if name, err := wheel.ParseFilename(f.Name); err == nil && name.Name == l.Name && (e.There == "" || name.Version.Compare(newest) > 0) {
			newest, e.There = name.Version, name.Version.String()
		}
	}
	if e.There == l.Version { // the version is there, but with another file
		e.There = ""
	}
	return e
}

// A File is an open wheel in the cache.
type File struct {
	*os.File
	size int64
}

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Open opens a wheel, after downloading it if the cache lacks it. It verifies the digest
// every time, since a disk may have corrupted the file; then it is removed from the
// cache.
func (c *Client) Open(ctx context.Context, l wheel.Locked) (*File, error) {
	if err := c.fetchLocked(ctx, l); err != nil {
		return nil, err
	}
	sum, err := digestOf(c.place(l.SHA256))
	if err != nil {
		return nil, c.cache.Explain(err)
	}
	if sum != l.SHA256 {
		err := fmt.Errorf("wheel %s in the cache is damaged: its file is removed\nhint: run it again: it is then downloaded again", l.File)
		if removed := os.Remove(c.place(l.SHA256)); removed != nil {
			err = fmt.Errorf("wheel %s in the cache is damaged, and cannot be removed: %w", l.File, removed)
		}
		return nil, err
	}
	f, err := os.Open(c.place(l.SHA256))
	if err != nil {
		return nil, c.cache.Explain(err)
	}
	return &File{f, l.Size}, nil
}
