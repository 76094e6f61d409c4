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

// defaultTries is how often a download is started or continued.
const defaultTries = 4

// A server that sends fewer bytes than this within Options.Stall counts as dead.
const leastBytes = 4 << 10

// A StatusError is an answer with a status other than success.
type StatusError struct {
	URL  string
	Code int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("cannot get %s: the server answers %d %s", e.URL, e.Code, http.StatusText(e.Code))
}

// passing reports whether the request may succeed later.
func (e *StatusError) passing() bool { return e.Code >= 500 || e.Code == 429 || e.Code == 408 }

// IsGone reports whether err says that the server does not have the file.
func IsGone(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusGone)
}

// errStalled is the cause of the end of a transfer that has stalled.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string {
	return fmt.Sprintf("less than %d KiB came in %s", leastBytes>>10, e.after)
}

// A Page is a small file, and how the server describes it.
type Page struct {
	Data []byte
	Type string   // media type, according to the server
	URL  *url.URL // where it came from, after redirections
}

// Page downloads a file of at most limit bytes into memory. accept is the Accept header;
// "" for none.
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

// sizeWord is [ChangedError.What] for an error that is known before the download.
const sizeWord = "size"

// A ChangedError says that the server's file is another one than was asked for.
type ChangedError struct {
	URL             string
	What, Want, Got string // "SHA-256", or "size"
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("cannot get %s: its %s is %s, not %s", e.URL, e.What, e.Got, e.Want)
}

// A File describes a file to download.
type File struct {
	URL    string
	Size   int64  // bytes; -1 if not known, and then [Largest] is the limit
	SHA256 string // in hexadecimal; "" if not known
}

// Largest bounds a file whose size is not known, in bytes.
const Largest = 16 << 30

// into downloads a file into out, which may have the beginning already. If the result
// has the wrong digest, it starts again once, because that beginning may have been
// wrong. When the network fails, what has arrived stays, to be continued.
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
	of := validator{} // identifies the version of the part: without a digest, nothing else does
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
			// Reading one byte more than allowed detects a file that is too long.
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

// retry repeats a try whose error may pass: a connection that ends early, a server that
// is busy.
func (c *Client) retry(ctx context.Context, url string, try func() error) error {
	wait := c.backoff
	for n := 1; ; n++ {
		err := try()
		if err == nil || ctx.Err() != nil || n == c.tries || !passing(err) {
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

// passing reports whether the next try may succeed.
func passing(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.passing()
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	var path *os.PathError // an error of our own disk
	var stalled errStalled
	var network net.Error
	var request *url.Error // a net.Error whatever it wraps: a bad certificate, a refused redirection, a proxy of ours
	if errors.As(err, &request) {
		if err = request.Err; err == io.EOF {
			return true
		}
	}
	return !errors.As(err, &path) && (errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &stalled) || errors.As(err, &network))
}

// describe formats the error of a transfer for people.
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
		return fmt.Errorf("cannot get %s: the connection ended before the file did, %d times", address, c.tries)
	case strings.HasPrefix(err.Error(), "cannot get "):
		return err
	case errors.As(err, &request): // its text repeats the address
		if err = request.Err; err == io.EOF {
			return fmt.Errorf("cannot get %s: the server closes the connection without an answer", address)
		}
	}
	return fmt.Errorf("cannot get %s: %w", address, err)
}

// cure adds a cure to an error, but not to "gone" and "unauthorized": callers know
// better ones for these.
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
	case errors.As(err, new(errStalled)):
		return fmt.Errorf("%w\nhint: a slow network needs a longer --timeout; or else %s", err, c.hint)
	}
	return fmt.Errorf("%w\nhint: %s", err, c.hint)
}

// A part is the beginning of a file: its length, and the validator of its version if
// there is no digest.
type part struct {
	from int64
	of   validator
}

// get requests the rest of a file, and calls take with the answer and the offset at
// which its body begins: a server may send the whole file.
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
			have = part{} // another part, or of another version: ask for all of it
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

// whyEnded returns the cause if we have ended the transfer, or else err.
func whyEnded(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// begins returns the offset in a Content-Range header; -1 if there is none.
func begins(header string) int64 {
	rest, ok := strings.CutPrefix(header, "bytes ")
	first, _, dash := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || !dash || err != nil {
		return -1
	}
	return n
}

// A counted reader reports how many bytes arrive.
type counted struct {
	io.Reader
	came func(bytes int)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.came(n)
	return n, err
}

// A watchdog ends a transfer that brings fewer than leastBytes within Options.Stall.
// This also ends one that sends a byte now and then.
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
