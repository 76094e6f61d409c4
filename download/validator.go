package download

import (
	"net/http"
	"strings"
	"time"
)

// A validator says which file of a server something is a part of: the strong one
// of an ETag, else the date of a file that was not changed while it came. The zero
// value says nothing, and admits every answer.
type validator struct{ etag, date string }

// validatorOf is what an answer says of its file. An ETag that begins with W/ is
// for files that mean the same, not for the same bytes; and within a minute a file
// may change without another date.
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

// require lets a server send a part of that file, and of any other the whole.
func (v validator) require(h http.Header) {
	if value := v.etag + v.date; value != "" {
		h.Set("If-Range", value)
	}
}

// admits reports whether a part that was sent is of that file: not every server
// reads If-Range.
func (v validator) admits(h http.Header) bool {
	return v.etag == "" && v.date == "" || v.etag != "" && h.Get("ETag") == v.etag || v.date != "" && h.Get("Last-Modified") == v.date
}

// endsWithConnection reports whether nothing but the end of the connection says
// where an answer ends.
func endsWithConnection(a *http.Response) bool {
	return a.ContentLength < 0 && len(a.TransferEncoding) == 0 && a.ProtoMajor == 1
}
