package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"sync"

	"nix2gpu/download"
)

// A File is a file that somebody publishes at a URL without a signature. Its digest
// identifies it.
type File struct {
	URL    string
	SHA256 string
	Size   int64
}

// filesFolder is the folder of the cache for files, by their digests.
const filesFolder = "files"

// Learn downloads a file whose size is not known, keeps it in the cache, and returns its
// size and digest. want is the digest in hexadecimal, or "" if that is not known
// either; then the URL must be one of https.
func (c *Client) Learn(ctx context.Context, address, want string) (File, error) {
	if want != "" {
		if !isDigest(want) {
			return File{}, fmt.Errorf("%q is not a SHA-256 digest", want)
		}
		if err := c.fetchFile(ctx, File{address, want, -1}); err != nil {
			return File{}, err
		}
		info, err := os.Lstat(c.cache.Path(filesFolder, want))
		if err != nil {
			return File{}, c.cache.Explain(err)
		}
		return File{address, want, info.Size()}, nil
	}
	if c.opts.Offline {
		return File{}, &OfflineError{"the file " + address}
	}
	if !private(address) {
		return File{}, fmt.Errorf("cannot trust %s: anybody on the way can change what has no digest and does not come by https", address)
	}
	name := sha256.Sum256([]byte(address))
	place := c.cache.Path(filesFolder, "new-"+hex.EncodeToString(name[:8]))
	// A part that an earlier try has left may be of another version.
	if err := os.Remove(place); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return File{}, c.cache.Explain(err)
	}
	if err := c.files.Fetch(ctx, download.File{URL: address, Size: -1}, place); err != nil {
		return File{}, err
	}
	f, err := os.Open(place)
	if err != nil {
		return File{}, c.cache.Explain(err)
	}
	defer f.Close()
	size, sum, err := sumOf(f)
	if err == nil {
		err = os.Rename(place, c.cache.Path(filesFolder, sum))
	}
	return File{address, sum, size}, c.cache.Explain(err)
}

// Page downloads a small file, such as a key. Unless something vouches for it, such as a
// fingerprint, the URL must be one of https.
func (c *Client) Page(ctx context.Context, address string, vouched bool) ([]byte, error) {
	if c.opts.Offline {
		return nil, &OfflineError{"the file " + address}
	}
	if !vouched && !private(address) {
		return nil, fmt.Errorf("cannot trust %s: anybody on the way can change what does not come by https", address)
	}
	p, err := c.files.Page(ctx, address, "", largestInRelease)
	if err != nil {
		return nil, err
	}
	return p.Data, nil
}

// sumOf returns the size and the SHA-256 of a file, read from its beginning.
func sumOf(f *os.File) (size int64, sum string, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, "", err
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

// FetchFiles downloads all files that the cache lacks, and reports every failure.
func (c *Client) FetchFiles(ctx context.Context, files []File) error {
	total := int64(0)
	for _, f := range files {
		if !download.Have(c.cache.Path(filesFolder, f.SHA256), f.Size) {
			total += f.Size
		}
	}
	defer c.expect(total)()
	var wg sync.WaitGroup
	errs := make([]error, len(files))
	for i, f := range files {
		wg.Go(func() { errs[i] = c.fetchFile(ctx, f) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

func (c *Client) fetchFile(ctx context.Context, f File) error {
	if !isDigest(f.SHA256) {
		return fmt.Errorf("%s: %q is not a SHA-256 digest", f.URL, f.SHA256)
	}
	place := c.cache.Path(filesFolder, f.SHA256)
	if download.Have(place, f.Size) {
		c.cache.Used(filesFolder, f.SHA256, c.opts.Now())
		return nil
	}
	if c.opts.Offline {
		return &OfflineError{"the file " + f.URL}
	}
	return c.files.Fetch(ctx, download.File{URL: f.URL, Size: f.Size, SHA256: f.SHA256}, place)
}

// OpenFile opens a file, after downloading it if the cache lacks it. Its digest is
// always verified, since a disk may have corrupted it.
func (c *Client) OpenFile(ctx context.Context, f File) (*os.File, error) {
	if err := c.fetchFile(ctx, f); err != nil {
		return nil, err
	}
	in, err := os.Open(c.cache.Path(filesFolder, f.SHA256))
	if err != nil {
		return nil, c.cache.Explain(err)
	}
	if _, sum, err := sumOf(in); err != nil || sum != f.SHA256 {
		in.Close()
		if err == nil {
			err = fmt.Errorf("the file %s in the cache is damaged: it is removed\nhint: run it again: it is then downloaded again", f.URL)
			if removed := os.Remove(in.Name()); removed != nil {
				err = fmt.Errorf("the file %s in the cache is damaged, and cannot be removed: %w", f.URL, removed)
			}
		}
		return nil, err
	}
	return in, nil
}

// private reports whether nobody on the way can change what a URL returns: it is one of
// https, or of this machine.
func private(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || host == "localhost" || net.ParseIP(host).IsLoopback()
}
