package download_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/cache"
	"nix2gpu/download"
	"nix2gpu/internal/testkit"
)

// A server has one file, and cuts off its first answer.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // "RANGE if IF-RANGE" of each request
	data  []byte
	head  http.Header // sent in addition to those of the answer
	// second, if set, answers all requests but the first.
	second func(w http.ResponseWriter, r *http.Request)
}

func serve(t *testing.T, data []byte, head http.Header) *server {
	t.Helper()
	s := &server{data: data, head: head}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, fmt.Sprintf("%s if %s", r.Header.Get("Range"), r.Header.Get("If-Range")))
		for name, values := range s.head {
			w.Header()[name] = values
		}
		switch {
		case len(s.asked) == 1:
			w.Header().Set("Content-Length", fmt.Sprint(len(s.data)))
			w.Write(s.data[:1000])
		case s.second != nil:
			s.second(w, r)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func newClient(t *testing.T, dir string) *download.Client {
	t.Helper()
	store, err := cache.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c := download.New(store, download.Options{Backoff: time.Millisecond, Stall: testkit.Patience})
	t.Cleanup(func() { c.Close(); store.Close() })
	return c
}

func text(fill string) []byte { return []byte(strings.Repeat(fill, 5000)) }

// tag returns the headers of an answer with an ETag.
func tag(value string) http.Header { return http.Header{"Etag": {value}} }

// A file without a digest is continued after a cut only if the server says that the
// rest is of the same file. Otherwise it is downloaded again: never two halves of two
// files.
func TestUnknownFileAfterACut(t *testing.T) {
	old, sent := "Mon, 01 Jun 2026 10:00:00 GMT", "Mon, 01 Jun 2026 12:00:00 GMT"
	changed := func(s *server, head http.Header) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { // it ignores If-Range
			s.data = text("new ")
			for name, values := range head {
				w.Header()[name] = values
			}
			r.Header.Del("If-Range")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
		}
	}
	for name, one := range map[string]struct {
		head   http.Header
		second func(s *server) func(http.ResponseWriter, *http.Request)
		asked  []string
	}{
		"an ETag":                       {head: tag(`"a"`), asked: []string{` if `, `bytes=1000- if "a"`}},
		"a weak ETag":                   {head: tag(`W/"a"`), asked: []string{` if `, ` if `}},
		"nothing":                       {asked: []string{` if `, ` if `}},
		"a date":                        {head: http.Header{"Last-Modified": {old}, "Date": {sent}}, asked: []string{` if `, `bytes=1000- if ` + old}},
		"a date that is too new":        {head: http.Header{"Last-Modified": {sent}, "Date": {sent}}, asked: []string{` if `, ` if `}},
		"another ETag, with a part":     {head: tag(`"a"`), second: func(s *server) func(http.ResponseWriter, *http.Request) { return changed(s, tag(`"b"`)) }, asked: []string{` if `, `bytes=1000- if "a"`, ` if `}},
		"no ETag any more, with a part": {head: tag(`"a"`), second: func(s *server) func(http.ResponseWriter, *http.Request) { return changed(s, http.Header{"Etag": nil}) }, asked: []string{` if `, `bytes=1000- if "a"`, ` if `}},
		"another ETag, with the whole": {head: tag(`"a"`), second: func(s *server) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) {
				s.data = text("new ")
				w.Header().Set("ETag", `"b"`)
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data)) // reads If-Range
			}
		}, asked: []string{` if `, `bytes=1000- if "a"`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, text("old "), one.head)
			if one.second != nil {
				s.second = one.second(s)
			}
			place := filepath.Join(t.TempDir(), "file")
			if err := newClient(t, t.TempDir()).Fetch(t.Context(), download.File{URL: s.URL, Size: -1}, place); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(place); err != nil || !bytes.Equal(got, s.data) {
				t.Errorf("%v: got %d bytes that are not those of the server", err, len(got))
			}
			if !slices.Equal(s.asked, one.asked) {
				t.Errorf("asked for %q, want %q", s.asked, one.asked)
			}
		})
	}
}

// The part that another program has left of a file without a digest may be of any file.
func TestUnknownFileLeftOver(t *testing.T) {
	s := serve(t, text("new "), tag(`"a"`))
	s.asked = []string{"not the first"}
	place := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(place+".part", text("old ")[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, t.TempDir()).Fetch(t.Context(), download.File{URL: s.URL, Size: -1}, place); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(place); err != nil || !bytes.Equal(got, s.data) || s.asked[1] != " if " {
		t.Errorf("%v: %d bytes after %q", err, len(got), s.asked)
	}
}

// An answer that ends with its connection looks whole even if it is cut off. Without a
// digest it is refused; a digest shows the cut.
func TestAnswerWithoutAnEnd(t *testing.T) {
	data := text("all ")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprintf(buffer, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n%s", data)
		buffer.Flush()
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	place := filepath.Join(dir, "file")
	err := newClient(t, t.TempDir()).Fetch(t.Context(), download.File{URL: s.URL, Size: -1}, place)
	if err == nil || !strings.Contains(err.Error(), "the server does not say where it ends") {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	if err := newClient(t, t.TempDir()).Fetch(context.WithoutCancel(t.Context()), download.File{URL: s.URL, Size: int64(len(data))}, place); err != nil {
		t.Errorf("with a size that is known: %v", err)
	}
}

// A file that does not exist leaves nothing behind.
func TestNothingIsLeftOfNothing(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	dir := t.TempDir()
	err := newClient(t, t.TempDir()).Fetch(t.Context(), download.File{URL: s.URL, Size: -1}, filepath.Join(dir, "file"))
	if !download.IsGone(err) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// A client downloads eight files at the same time, and no more.
func TestEightAtOnce(t *testing.T) {
	var mu sync.Mutex
	running, most := 0, 0
	full := make(chan struct{}) // closed when eight run at the same time
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		running++
		if most = max(most, running); running == download.Parallel {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full
		mu.Lock()
		running-- // before the answer: the client goes on when it has that
		mu.Unlock()
		w.Write([]byte("x"))
	}))
	t.Cleanup(s.Close)
	c, dir := newClient(t, t.TempDir()), t.TempDir()
	files := make([]int, 24)
	for i := range files {
		files[i] = i
	}
	err := download.All(t.Context(), files, download.IsGone, func(ctx context.Context, i int) error {
		return c.Fetch(ctx, download.File{URL: s.URL, Size: 1}, filepath.Join(dir, fmt.Sprint(i)))
	})
	if err != nil || most != 8 {
		t.Errorf("%v: %d at once", err, most)
	}
}

// A Fetch that finds the file complete leaves nothing beside it.
func TestFetchOfWhatIsThere(t *testing.T) {
	c, dir := newClient(t, t.TempDir()), t.TempDir()
	place := filepath.Join(dir, "file")
	if err := os.WriteFile(place, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := download.File{URL: "http://nobody.invalid/", Size: 1, SHA256: strings.Repeat("0", 64)}
	if err := c.Fetch(t.Context(), f, place); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(place + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	// A part that somebody has begun stays: they may hold its lock.
	if err := os.WriteFile(place+".part", []byte("begun"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Fetch(t.Context(), f, place); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(place + ".part"); err != nil || string(data) != "begun" {
		t.Errorf("the part holds %q, %v", data, err)
	}
}

// tried counts the requests of a client.
type tried struct {
	http.RoundTripper
	n int
}

func (c *tried) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n++
	return c.RoundTripper.RoundTrip(r)
}

// What the next try can't change is not tried again: a certificate that nobody vouches
// for, and a redirection that is not followed. A connection that ends is.
func TestTriesOfWhatCannotPass(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(silent.Close)
	for _, tt := range []struct {
		url, want string
		through   http.RoundTripper
		tries     int
	}{
		{secure.URL, "certificate", download.Transport(), 1},
		{secure.URL, "it is redirected from https to " + plain.URL, secure.Client().Transport, 1},
		{silent.URL, "the server closes the connection without an answer", download.Transport(), 4},
	} {
		store, err := cache.Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		through := &tried{RoundTripper: tt.through}
		c := download.New(store, download.Options{Transport: through, Backoff: time.Millisecond, Stall: testkit.Patience})
		if _, err := c.Page(t.Context(), tt.url, "", 100); err == nil || !strings.Contains(err.Error(), tt.want) || through.n != tt.tries {
			t.Errorf("%v after %d requests, want %q after %d", err, through.n, tt.want, tt.tries)
		}
		c.Close()
		store.Close()
	}
}
