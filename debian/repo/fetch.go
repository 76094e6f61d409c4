package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// A fetcher downloads, with patience for a bad network and none for a dead one.
type fetcher struct {
	http    *http.Client
	stall   time.Duration // in which something must arrive
	backoff time.Duration // before the second try; doubles
	slots   chan struct{} // how many at once
}

// tries is how often a download is begun or gone on with.
const tries = 4

// A slow server sends at least that much in the time of a stall.
const leastBytes = 4 << 10

// A statusError is an answer that is no file.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("cannot get %s: the server answers %d %s", e.url, e.code, http.StatusText(e.code))
}

// passing reports whether the server may have it later.
func (e *statusError) passing() bool { return e.code >= 500 || e.code == 429 || e.code == 408 }

// errStalled is the cause that ends a transfer which brings nothing.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string {
	return fmt.Sprintf("less than %d KiB came in %s", leastBytes>>10, e.after)
}

// memory gets a file whose size nobody has told, up to limit.
func (f *fetcher) memory(ctx context.Context, url string, limit int64) ([]byte, error) {
	var data []byte
	err := f.retry(ctx, url, func() error {
		data = nil
		return f.get(ctx, url, 0, func(_ int64, body io.Reader) error {
			var err error
			data, err = io.ReadAll(io.LimitReader(body, limit+1))
			if err == nil && int64(len(data)) > limit {
				return fmt.Errorf("cannot get %s: it is larger than %d bytes", url, limit)
			}
			return err
		})
	})
	return data, err
}

// A digestError says that a file is not the one that was asked for.
type digestError struct{ url, want, got string }

func (e *digestError) Error() string {
	return fmt.Sprintf("cannot get %s: its SHA-256 is %s, not %s", e.url, e.got, e.want)
}

// file gets a file into an open one, which may have its beginning already. A
// file that turns out wrong is got once anew: its beginning may have been bad.
// What has come stays when the network fails, to be gone on with.
func (f *fetcher) file(ctx context.Context, url string, size int64, sum string, out *os.File) error {
	err := f.whole(ctx, url, size, sum, out)
	var wrong *digestError
	if errors.As(err, &wrong) {
		if err = out.Truncate(0); err == nil {
			err = f.whole(ctx, url, size, sum, out)
		}
		if errors.As(err, &wrong) {
			if failed := out.Truncate(0); failed != nil {
				return failed
			}
		}
	}
	return err
}

func (f *fetcher) whole(ctx context.Context, url string, size int64, sum string, out *os.File) error {
	if err := f.retry(ctx, url, func() error {
		have, err := out.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if have > size {
			have = 0
		}
		if have == size && size > 0 {
			return nil
		}
		return f.get(ctx, url, have, func(from int64, body io.Reader) error {
			if err := out.Truncate(from); err != nil {
				return err
			}
			if _, err := out.Seek(from, io.SeekStart); err != nil {
				return err
			}
			// One byte more than there may be shows a file that is too long.
			n, err := io.Copy(out, io.LimitReader(body, size-from+1))
			if err == nil && from+n < size {
				err = io.ErrUnexpectedEOF
			}
			return err
		})
	}); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, out); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return &digestError{url, sum, got}
	}
	return nil
}

// retry tries again what may pass: connections that end early, servers that are
// busy.
func (f *fetcher) retry(ctx context.Context, url string, try func() error) error {
	wait := f.backoff
	for n := 1; ; n++ {
		err := try()
		if err == nil || ctx.Err() != nil || n == tries || !passing(err) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return describe(url, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// passing reports whether an error may be gone at the next try.
func passing(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.passing()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	var path *os.PathError // of our own disk
	var stalled errStalled
	var network net.Error
	return !errors.As(err, &path) && (errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &stalled) || errors.As(err, &network))
}

// describe says what a failed transfer means to a person.
func describe(url string, err error) error {
	var status *statusError
	var path *os.PathError
	var dns *net.DNSError
	switch {
	case err == nil || errors.As(err, &status) || errors.As(err, &path):
		return err
	case errors.As(err, &dns):
		return fmt.Errorf("cannot get %s: there is no address for %q: %w\nhint: another mirror with --mirror URL, or --offline with what the cache has", url, dns.Name, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("cannot get %s: the connection ended before the file did, %d times", url, tries)
	case strings.HasPrefix(err.Error(), "cannot get "):
		return err
	}
	return fmt.Errorf("cannot get %s: %w", url, err)
}

// get asks for a file from an offset on and hands over its body with the offset
// that it really begins at.
func (f *fetcher) get(ctx context.Context, url string, from int64, take func(from int64, body io.Reader) error) error {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatchdog(f.stall, cancel)
	defer watch.stop()
	for {
		answer, err := f.ask(ctx, url, from)
		if err != nil {
			return whyEnded(ctx, err)
		}
		defer answer.Body.Close()
		partial := answer.StatusCode == http.StatusPartialContent
		switch {
		case answer.StatusCode == http.StatusOK:
			from = 0
		case partial && begins(answer.Header.Get("Content-Range")) == from:
		case from > 0 && (partial || answer.StatusCode == http.StatusRequestedRangeNotSatisfiable):
			from = 0 // not the part that was asked for: the whole then
			continue
		default:
			return &statusError{url, answer.StatusCode}
		}
		return whyEnded(ctx, take(from, watch.reader(answer.Body)))
	}
}

func (f *fetcher) ask(ctx context.Context, url string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "nix2gpu")
	if from > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	return f.http.Do(req)
}

// whyEnded is the cause of a transfer that was ended from here.
func whyEnded(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// begins is the first byte of a Content-Range; -1 when there is none.
func begins(header string) int64 {
	rest, ok := strings.CutPrefix(header, "bytes ")
	first, _, dash := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || !dash || err != nil {
		return -1
	}
	return n
}

// A watchdog ends a transfer that brings less than leastBytes in a while: also
// one that sends a byte now and then.
type watchdog struct {
	timer *time.Timer
	every time.Duration
	n     int
}

func newWatchdog(every time.Duration, cancel context.CancelCauseFunc) *watchdog {
	return &watchdog{timer: time.AfterFunc(every, func() { cancel(errStalled{every}) }), every: every}
}

func (w *watchdog) stop() { w.timer.Stop() }

func (w *watchdog) reader(r io.Reader) io.Reader { return &watched{w, r} }

type watched struct {
	*watchdog
	r io.Reader
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.n += n; w.n >= leastBytes {
		w.n = 0
		w.timer.Reset(w.every)
	}
	return n, err
}
