package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	wire "github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// An Error says what went wrong with a registry, in words for whoever has to act on it.
type Error struct {
	Msg  string
	Hint string // the cure; may be ""
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }

// An action is what failed, for messages.
type action string

const (
	pushing action = "push to"
	reading action = "read"
)

func badRef(ref string, err error) error {
	e := &Error{Msg: fmt.Sprintf("%q is not an image reference", ref), Err: err,
		Hint: "write HOST/NAME:TAG, such as ghcr.io/me/web:v1: names in lower case, tags of letters, digits, dots and dashes"}
	if strings.Contains(ref, "://") {
		e.Hint = "leave out the scheme: write ghcr.io/me/web:v1"
	}
	return e
}

// explain makes an [*Error] of an error of the library.
func (c *Client) explain(err error, ref name.Reference, doing action) error {
	var done *Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	host := ref.Context().RegistryStr()
	if host == name.DefaultRegistry {
		host = "docker.io"
	}
	e := &Error{Err: err}
	say := func(format string, args ...any) *Error {
		e.Msg = fmt.Sprintf("cannot %s %s: ", doing, ref) + fmt.Sprintf(format, args...)
		return e
	}
	hint := func(format string, args ...any) error {
		e.Hint = fmt.Sprintf(format, args...)
		return e
	}
	var (
		answer  *wire.Error
		creds   *credentialsError
		plain   *plainHTTPError
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		notTLS  tls.RecordHeaderError
		netErr  net.Error
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	// On loopback the library tries https and http, and the error has both: that of a
	// bad certificate tells more than the answer to http.
	switch {
	case errors.As(err, &creds):
		say("%v", creds)
		return hint("correct or remove that entry, or log in again: docker login %s", host)
	case errors.As(err, &dns):
		say("cannot find the host %q", dns.Name)
		return hint("check the name, and that this machine reaches a name server")
	case errors.As(err, &cert):
		say("the certificate of %s is not valid: %v", host, cert.Err)
		switch {
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
			return hint("it has to be renewed there; or the clock of this machine is wrong")
		case errors.As(err, &unknown):
			return hint("if the registry has an authority of its own, make this machine trust it (update-ca-certificates), or name its file in SSL_CERT_FILE")
		}
		return hint("use the name that the certificate is for")
	case errors.As(err, &answer):
		return c.explainAnswer(answer, ref, host, doing)
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		say("%s does not answer in time", host)
		return hint("try again later: what has arrived there is kept")
	case errors.As(err, &plain), errors.As(err, &notTLS), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		say("%s speaks plain http, which is allowed on loopback only", host)
		return hint("give the registry a certificate, or reach it through a tunnel: ssh -L 5000:%s …, then localhost:5000/%s", host, ref.Context().RepositoryStr())
	case errors.Is(err, syscall.ECONNREFUSED):
		say("nothing listens at %s", host)
		return hint("start the registry, or correct the address")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		say("%s cannot be reached from here", host)
		return hint("is this machine online, or behind a proxy that HTTPS_PROXY should name?")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		say("%s cut the connection, %d times in a row", host, c.trans.attempts)
		return hint("try again later: what has arrived there is kept")
	}
	return say("%v", err)
}

// explainAnswer makes an [*Error] of the registry's answer.
func (c *Client) explainAnswer(a *wire.Error, ref name.Reference, host string, doing action) error {
	repo := ref.Context()
	e := &Error{Err: a}
	say := func(format string, args ...any) {
		e.Msg = fmt.Sprintf("cannot %s %s: ", doing, ref) + fmt.Sprintf(format, args...)
	}
	origin := c.keys.originOf(repo.RegistryStr())
	var codes []wire.ErrorCode
	for _, d := range a.Errors {
		codes = append(codes, d.Code)
	}
	has := func(code wire.ErrorCode) bool {
		for _, c := range codes {
			if c == code {
				return true
			}
		}
		return false
	}
	login := "log in: docker login " + host
	if host == "ghcr.io" {
		login += ", or set GITHUB_TOKEN"
	}
	switch status := a.StatusCode; {
	case status == http.StatusUnauthorized && origin == "":
		say("%s asks for credentials, and there are none for it", host)
		e.Hint = login
	case status == http.StatusUnauthorized:
		say("%s does not accept the credentials from %s", host, origin)
		e.Hint = "they may have expired; " + login
	case status == http.StatusForbidden && origin == "":
		say("%s does not allow this without credentials", host)
		e.Hint = login
	case status == http.StatusForbidden:
		say("%s does not allow this with the credentials from %s", host, origin)
		e.Hint = fmt.Sprintf("is %q the right name, and may this account write there?", repo.RepositoryStr())
		if doing == reading {
			e.Hint = fmt.Sprintf("is %q the right name, and may this account read it?", repo.RepositoryStr())
		}
		if host == "ghcr.io" {
			e.Hint += "; the token needs the scope write:packages"
		}
	case status == http.StatusTooManyRequests:
		say("too many requests for %s, after %d attempts", host, c.trans.attempts)
		e.Hint = "wait a while and try again: what has arrived there is kept"
		if origin == "" {
			e.Hint += "; logging in often allows more"
		}
	case status == http.StatusRequestEntityTooLarge:
		say("a layer is larger than %s accepts", host)
		e.Hint = "raise the limit of the registry, or of the proxy before it"
	case status == http.StatusNotFound && doing == reading:
		say("there is no such image")
		e.Hint = "check the name and the tag; some registries also say this to those who may not look: " + login
	case status == http.StatusNotFound:
		say("there is no repository %q", repo.RepositoryStr())
		e.Hint = "create it there first: this registry does not do so by itself"
	case has(wire.ManifestInvalidErrorCode) || has(wire.UnsupportedErrorCode) || status == http.StatusUnsupportedMediaType:
		say("%s does not accept images of this form: %s", host, reason(a))
		e.Hint = "registries from before 2019 know no OCI images: use a newer one"
	case status >= 500:
		say("%s fails: %s, after %d attempts", host, reason(a), c.trans.attempts)
		e.Hint = "try again later: what has arrived there is kept"
	default:
		say("%s refuses: %s", host, reason(a))
	}
	return e
}

// reason returns the text of a registry's answer, on one line.
func reason(a *wire.Error) string {
	var words []string
	for _, d := range a.Errors {
		if d.Message != "" {
			words = append(words, d.Message)
		} else if d.Code != "" {
			words = append(words, string(d.Code))
		}
	}
	if len(words) == 0 {
		words = []string{fmt.Sprintf("%d %s", a.StatusCode, http.StatusText(a.StatusCode))}
	}
	text := strings.Join(strings.Fields(strings.Join(words, "; ")), " ")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return text
}
