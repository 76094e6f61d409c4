package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	wire "github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// A request is repeated for about a minute, after 500ms, 1s, 2s, 4s and then every 5s.
// That is enough even if every second request fails at random.
const (
	defaultAttempts = 15
	slowest         = 10          // longest wait, as a multiple of the first
	maxWait         = time.Minute // longest wait, whatever Retry-After says
)

// A transport repeats requests that a registry was too busy for. It refuses plain HTTP
// to another machine.
type transport struct {
	inner    http.RoundTripper
	backoff  time.Duration
	attempts int
	retrying func(registry string, why string, wait time.Duration)
	traffic  traffic
}

// traffic counts what became of blobs.
type traffic struct{ sent, there, mounted, bytes atomic.Int64 }

// A plainHTTPError says that a request would cross the network without TLS.
type plainHTTPError struct{ host string }

func (e *plainHTTPError) Error() string {
	return fmt.Sprintf("plain http to %q is refused", e.host)
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !isLoopback(req.URL.Host) {
		return nil, &plainHTTPError{req.URL.Host}
	}
	wait := t.backoff
	for attempt := 1; ; attempt++ {
		resp, err := t.inner.RoundTrip(req)
		why, after := failing(resp, err)
		if why == "" || attempt == t.attempts || req.Context().Err() != nil || !rewind(&req) {
			t.traffic.count(req, resp)
			return resp, err
		}
		if resp != nil {
			io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be reused
			resp.Body.Close()
		}
		pause := min(max(after, wait+rand.N(wait/4+1)), maxWait)
		t.retrying(req.URL.Host, why, pause)
		if err := sleep(req.Context(), pause); err != nil {
			return nil, err
		}
		wait = min(wait*2, slowest*t.backoff)
	}
}

// failing returns why a request may succeed later, and how long the registry asks to
// wait; why is "" if it may not.
func failing(resp *http.Response, err error) (why string, after time.Duration) {
	if err != nil {
		var ne net.Error
		var dns *net.DNSError
		switch {
		case errors.As(err, &dns): // a resolver repeats queries itself
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
			errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
			return "the connection was cut", 0
		case errors.As(err, &ne) && ne.Timeout(): // a request that has a deadline of its own is not repeated after it
			return "no answer in time", 0
		}
		return "", 0
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		522: // Cloudflare's code: the registry behind it did not answer
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			after = time.Duration(s) * time.Second
		}
		return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))), after
	}
	return "", 0
}

// rewind prepares a request to be sent again. It reports whether that is possible.
func rewind(req **http.Request) bool {
	r := *req
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	r = r.Clone(r.Context())
	r.Body = body
	*req = r
	return true
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count finds out from the requests of an upload what became of each blob.
func (t *traffic) count(req *http.Request, resp *http.Response) {
	if resp == nil || !strings.Contains(req.URL.Path, "/blobs/") {
		return
	}
	switch {
	case req.Method == http.MethodHead && resp.StatusCode == http.StatusOK:
		t.there.Add(1)
	case req.Method == http.MethodPost && resp.StatusCode == http.StatusCreated:
		t.mounted.Add(1)
	case req.Method == http.MethodPatch && resp.StatusCode < 300:
		t.bytes.Add(max(req.ContentLength, 0))
	case req.Method == http.MethodPut && resp.StatusCode == http.StatusCreated:
		t.sent.Add(1)
	}
}

// beginAnew reports whether a failed upload should be started again from its beginning:
// the registry has lost its state, because an answer was lost or a replica does not
// know the upload. Repeating a single request can't cure that.
func beginAnew(err error) bool {
	var te *wire.Error
	if !errors.As(err, &te) || te.Request == nil || !strings.Contains(te.Request.URL.Path, "/blobs/uploads/") {
		return false
	}
	if te.StatusCode == http.StatusRequestedRangeNotSatisfiable || te.StatusCode == http.StatusNotFound {
		return te.Request.Method != http.MethodPost // for the first request it means "no such repository"
	}
	lost := []wire.ErrorCode{wire.BlobUploadUnknownErrorCode, wire.BlobUploadInvalidErrorCode, wire.DigestInvalidErrorCode}
	return slices.ContainsFunc(te.Errors, func(d wire.Diagnostic) bool { return slices.Contains(lost, d.Code) })
}
