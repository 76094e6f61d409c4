package download

import (
	"net/http"
	"strings"
	"time"
)

// A validator identifies the version of a file on a server (RFC 9110, 13.1.5): by a
// strong ETag, or by the date of its last change, if that was long enough before the
// answer. The zero value identifies nothing, and admits every answer.
type validator struct{ etag, date string }

// validatorOf returns the validator of an answer. An ETag that begins with W/ does not
// guarantee the same bytes. A date is used only if the answer is at least a minute
// younger: until then, the file may change again without a new date.
func validatorOf(h http.Header) validator {
	if tag := h.Get("ETag"); len(tag) > 2 && tag[0] == '"' && strings.HasSuffix(tag, `"`) {
		return validator{etag: tag}
	}
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	sent, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil || sent.Sub(changed) < time.Minute {
		return validator{}
	}
	return validator{date: h.Get("Last-Modified")}
}

// require asks a server, by If-Range, to send a part of this version only, and the whole
// of any other.
func (v validator) require(h http.Header) {
	if value := v.etag + v.date; value != "" {
		h.Set("If-Range", value)
	}
}

// admits reports whether a part that was sent is of this version. Not every server
// obeys If-Range.
func (v validator) admits(h http.Header) bool {
	return v.etag == "" && v.date == "" || v.etag != "" && h.Get("ETag") == v.etag || v.date != "" && h.Get("Last-Modified") == v.date
}

// endsWithConnection reports whether only the end of the connection marks the end of an
// answer, so that a broken connection looks like a complete file.
func endsWithConnection(a *http.Response) bool {
	return a.ContentLength < 0 && len(a.TransferEncoding) == 0 && a.ProtoMajor == 1
}
