package probe

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// An exchange is a connection whose other end has said everything already.
type exchange struct {
	*strings.Reader
	asked bytes.Buffer
}

func (e *exchange) Write(p []byte) (int, error) { return e.asked.Write(p) }

func answer(status, body string) *exchange {
	return &exchange{Reader: strings.NewReader(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body))}
}

func TestTailscaleState(t *testing.T) {
	for _, c := range []struct{ status, body, want, err string }{
		{"200 OK", `{"BackendState":"Running","Self":{}}`, "Running", ""},
		{"200 OK", `{"BackendState":"NeedsLogin"}`, "NeedsLogin", ""},
		{"200 OK", `{"BackendState":"NoState"}`, "", "is starting"},
		{"200 OK", `{}`, "", "is starting"},
		{"200 OK", `<html>`, "", "no status"},
		{"403 Forbidden", `x`, "", "403 Forbidden"},
	} {
		e := answer(c.status, c.body)
		got, err := TailscaleState(e)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %s: %q, %v", c.status, c.body, got, err)
		}
		// It answers no other host: that is its guard against web pages.
		if asked := e.asked.String(); !strings.HasPrefix(asked, "GET /localapi/v0/status?peers=false HTTP/1.1\r\nHost: local-tailscaled.sock\r\n") {
			t.Errorf("asked %q", asked)
		}
	}
	if _, err := TailscaleState(&exchange{Reader: strings.NewReader("")}); err == nil {
		t.Error("who says nothing has a state")
	}
}

// Ready to be told to join, then ready while it is in the tailnet.
func TestTailscaleProbe(t *testing.T) {
	var p tailscale
	for i, c := range []struct {
		state string
		ready bool
	}{{"NeedsLogin", true}, {"Starting", true}, {"Running", true}, {"Running", true}, {"NeedsLogin", false}, {"Starting", false}, {"Running", true}, {"Stopped", false}} {
		err := p.ask(answer("200 OK", `{"BackendState":"`+c.state+`"}`))
		if (err == nil) != c.ready {
			t.Errorf("%d: %s: %v, want ready %t", i, c.state, err, c.ready)
		}
	}
}
