package download

import (
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
	"strconv"
	"strings"
	"time"
)

// tries is how often a download is begun or gone on with.
const tries = 4

// A slow server sends at least that much in the time of a stall.
const leastBytes = 4 << 10

// A StatusError is an answer that is no file.
type StatusError struct {
	URL  string
	Code int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("cannot get %s: the server answers %d %s", e.URL, e.Code, http.StatusText(e.Code))
}

// passing reports whether the server may have it later.
func (e *StatusError) passing() bool { return e.Code >= 500 || e.Code == 429 || e.Code == 408 }

// IsGone reports whether a server says that it does not have a file.
func IsGone(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusGone)
}

// errStalled is the cause that ends a transfer which brings nothing.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string {
	return fmt.Sprintf("less than %d KiB came in %s", leastBytes>>10, e.after)
}

// A Page is a small file as a server sent it.
type Page struct {
	Data []byte
	Type string   // its media type, as the server says it
	URL  *url.URL // where it came from in the end
}

// Page gets a file whose size nobody has told, up to limit. Accept is what the
// server is told that we read; "" for anything.
func (c *Client) Page(ctx context.Context, url, accept string, limit int64) (*Page, error) {
	p := &Page{}
	err := c.retry(ctx, url, func() error {
		p.Data = nil
		return c.get(ctx, url, accept, part{}, func(_ int64, answer *http.Response, body io.Reader) error {
			var err error
			p.Data, err = io.ReadAll(io.LimitReader(body, limit+1))
			if err == nil && int64(len(p.Data)) > limit {
				return fmt.Errorf("cannot get %s: it is larger than %d bytes", url, limit)
			}
			p.Type, p.URL = answer.Header.Get("Content-Type"), answer.Request.URL
			return err
		})
	})
	return p, c.cure(ctx, err)
}

// sizeWord is of the [ChangedError] that is known before the file has come.
const sizeWord = "size"

// A ChangedError says that a server has another file than the one that was asked
// for.
type ChangedError struct {
	URL             string
	What, Want, Got string // "SHA-256", or "size"
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("cannot get %s: its %s is %s, not %s", e.URL, e.What, e.Got, e.Want)
}

// A File is what a URL is expected to be.
type File struct {
	URL    string
	Size   int64  // -1 when nobody has told: then at most [Largest] is read
	SHA256 string // hexadecimal; "" when nobody has told
}

// Largest is the most that is read of a file whose size nobody has told.
const Largest = 16 << 30

// into gets a file into an open one, which may have its beginning already. A
// file that turns out wrong is got once anew: its beginning may have been bad.
// What has come stays when the network fails, to be gone on with.
func (c *Client) into(ctx context.Context, f File, out *os.File) error {
	err := c.whole(ctx, f, out)
	var wrong *ChangedError
	if errors.As(err, &wrong) && wrong.What != sizeWord {
		if err = out.Truncate(0); err == nil {
			err = c.whole(ctx, f, out)
		}
		if errors.As(err, &wrong) {
			if failed := out.Truncate(0); failed != nil {
				return failed
			}
		}
	}
	return err
}

func (c *Client) whole(ctx context.Context, f File, out *os.File) error {
	limit, known := f.Size, f.Size >= 0
	if !known {
		limit = Largest
	}
	of := validator{} // of what has come: without a digest nothing else says that a rest belongs to it
	if err := c.retry(ctx, f.URL, func() error {
		have, err := out.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if have > limit || f.SHA256 == "" && of == (validator{}) {
			have = 0
		}
		if known && have == limit && limit > 0 {
			return nil
		}
		return c.get(ctx, f.URL, "", part{have, of}, func(from int64, answer *http.Response, body io.Reader) error {
			if n := answer.ContentLength; known && answer.StatusCode == http.StatusOK && n >= 0 && n != f.Size {
				return &ChangedError{f.URL, sizeWord, strconv.FormatInt(f.Size, 10), strconv.FormatInt(n, 10)}
			}
			if f.SHA256 == "" {
				if !known && endsWithConnection(answer) {
					return fmt.Errorf("cannot get %s: the server does not say where it ends, and it has no digest: a part would pass for the whole\nhint: name its SHA-256 in the definition", f.URL)
				}
				of = validatorOf(answer.Header)
			}
			if err := out.Truncate(from); err != nil {
				return err
			}
			if _, err := out.Seek(from, io.SeekStart); err != nil {
				return err
			}
			// One byte more than there may be shows a file that is too long.
			n, err := io.Copy(out, io.LimitReader(body, limit-from+1))
			switch {
			case err != nil:
			case known && from+n < limit:
				err = io.ErrUnexpectedEOF
			case !known && from+n > limit:
				err = fmt.Errorf("cannot get %s: it is larger than %d bytes", f.URL, limit)
			}
			return err
		})
	}); err != nil || f.SHA256 == "" {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, out); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.SHA256 {
		return &ChangedError{f.URL, "SHA-256", f.SHA256, got}
	}
	return nil
}

// retry tries again what may pass: connections that end early, servers that are
// busy.
func (c *Client) retry(ctx context.Context, url string, try func() error) error {
	wait := c.backoff
	for n := 1; ; n++ {
		err := try()
		if err == nil || ctx.Err() != nil || n == tries || !passing(err) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return c.describe(url, err)
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
	var status *StatusError
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
func (c *Client) describe(address string, err error) error {
	var status *StatusError
	var path *os.PathError
	var dns *net.DNSError
	var request *url.Error
	switch {
	case err == nil || errors.As(err, &status) || errors.As(err, &path):
		return err
	case errors.As(err, &dns):
		return fmt.Errorf("cannot get %s: there is no address for %q: %w", address, dns.Name, dns)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("cannot get %s: the connection ended before the file did, %d times", address, tries)
	case strings.HasPrefix(err.Error(), "cannot get "):
		return err
	case errors.As(err, &request): // which names the address again
		err = request.Err
	}
	return fmt.Errorf("cannot get %s: %w", address, err)
}

// cure adds to an error what to do about it. What a server has no more, and whom it
// wants to know, its callers know better.
func (c *Client) cure(ctx context.Context, err error) error {
	var status *StatusError
	var path *os.PathError
	switch {
	case err == nil || ctx.Err() != nil || errors.As(err, &path) || strings.Contains(err.Error(), "\nhint: "):
		return err
	case errors.As(err, &status) && (IsGone(err) || status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden):
		return err
	case errors.As(err, &status) && status.passing():
		return fmt.Errorf("%w\nhint: try again later, or %s", err, c.hint)
	}
	return fmt.Errorf("%w\nhint: %s", err, c.hint)
}

// A part is what there is of a file: its length, and what it is of where no digest
// will say so.
type part struct {
	from int64
	of   validator
}

// get asks for the rest of a file and hands over its body with the offset that it
// really begins at.
func (c *Client) get(ctx context.Context, url, accept string, have part, take func(from int64, answer *http.Response, body io.Reader) error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatchdog(c.stall, cancel)
	defer watch.stop()
	for {
		answer, err := c.ask(ctx, url, accept, have)
		if err != nil {
			return whyEnded(ctx, err)
		}
		defer answer.Body.Close()
		partial := answer.StatusCode == http.StatusPartialContent
		switch {
		case answer.StatusCode == http.StatusOK:
			have = part{}
		case partial && begins(answer.Header.Get("Content-Range")) == have.from && have.of.admits(answer.Header):
		case have.from > 0 && (partial || answer.StatusCode == http.StatusRequestedRangeNotSatisfiable):
			have = part{} // not the part that was asked for, or of another file: the whole then
			continue
		default:
			return &StatusError{url, answer.StatusCode}
		}
		body := watch.reader(answer.Body)
		if c.came != nil {
			body = &counted{body, c.came}
		}
		return whyEnded(ctx, take(have.from, answer, body))
	}
}

func (c *Client) ask(ctx context.Context, url, accept string, have part) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "nix2gpu")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if have.from > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(have.from, 10)+"-")
		have.of.require(req.Header)
	}
	return c.http.Do(req)
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

// A counted reader tells how much comes.
type counted struct {
	io.Reader
	came func(bytes int)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.came(n)
	return n, err
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
