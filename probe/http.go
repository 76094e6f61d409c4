package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"nix2gpu/project"
)

// httpCheck sends a GET request. A status of 200 to 399 passes, or the one that
// was asked for.
type httpCheck struct {
	url    string
	addr   string
	host   string // the Host header when set
	header http.Header
	status int
	client *http.Client
}

func newHTTPCheck(c *project.HTTPCheck) (*httpCheck, error) {
	addr, err := address(c.Host, c.Port)
	if err != nil {
		return nil, err
	}
	scheme := strings.ToLower(c.Scheme)
	switch scheme {
	case "":
		scheme = "http"
	case "http", "https":
	default:
		return nil, fmt.Errorf("scheme must be http or https, not %q", c.Scheme)
	}
	path := c.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	target := scheme + "://" + addr + path
	if _, err := url.Parse(target); err != nil {
		return nil, fmt.Errorf("path %q: %v", c.Path, errors.Unwrap(err))
	}
	h := &httpCheck{url: target, addr: addr, status: c.Status, header: http.Header{}}
	h.header.Set("User-Agent", "nix2gpu-probe")
	for name, value := range c.Headers {
		if strings.EqualFold(name, "host") {
			h.host = value
			continue
		}
		h.header.Set(name, value)
	}
	// Each check makes its own connection: one that is kept open does not show
	// whether the server still accepts any.
	h.client = &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // health, not trust
			DialContext:            new(net.Dialer).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

func (h *httpCheck) Check(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return err
	}
	req.Header = h.header
	req.Host = h.host
	res, err := h.client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return dialError(h.addr, err)
		}
		var in *url.Error
		if errors.As(err, &in) {
			err = in.Err
		}
		return fmt.Errorf("GET %s: %w", h.url, err)
	}
	defer res.Body.Close()
	if h.status == 0 && res.StatusCode >= 200 && res.StatusCode < 400 || res.StatusCode == h.status {
		return nil
	}
	// The first line of the body often says why.
	body, _ := io.ReadAll(io.LimitReader(res.Body, tailSize))
	why, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(body), "\uFFFD")), "\n")
	if len(why) > 200 || strings.HasPrefix(why, "<") {
		why = ""
	}
	want := ""
	if h.status != 0 {
		want = fmt.Sprintf(", want %d", h.status)
	}
	msg := fmt.Sprintf("GET %s: status %d%s", h.url, res.StatusCode, want)
	if why != "" {
		msg += ": " + why
	}
	return errors.New(msg)
}
