package index_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/internal/wheeltest"
	"nix2gpu/wheel"
	"nix2gpu/wheel/index"
)

func client(t *testing.T, opts index.Options) *index.Client {
	t.Helper()
	if opts.Cache == "" {
		opts.Cache = t.TempDir()
	}
	opts.Backoff = time.Millisecond
	c, err := index.New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Both formats of pages give the same files.
func TestFiles(t *testing.T) {
	x := wheeltest.Serve(t,
		wheeltest.File{Name: "Some_Tool-1.0-py3-none-any.whl", Data: []byte("one"), RequiresPython: ">=3.8,<4"},
		wheeltest.File{Name: "some_tool-2.0-py3-none-any.whl", Data: []byte("two"), Yanked: true},
		wheeltest.File{Name: "some_tool-3.0+cu121-py3-none-any.whl", Data: []byte("three"), NoHash: true},
		wheeltest.File{Name: "other-1.0-py3-none-any.whl", Data: []byte("other")},
	)
	print := func(c *index.Client) string {
		files, err := c.Files(t.Context(), "some-tool")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range files {
			u, err := url.Parse(f.URL)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s %.4s %q %t %s", f.Name, f.SHA256, f.RequiresPython, f.Yanked, u.Path))
		}
		return strings.Join(out, "\n")
	}
	json := print(client(t, index.Options{Index: x.URL}))
	x.HTML()
	html := print(client(t, index.Options{Index: x.URL + "/"}))
	want := "Some_Tool-1.0-py3-none-any.whl " + wheeltest.SHA256([]byte("one"))[:4] + ` ">=3.8,<4" false /root/files/Some_Tool-1.0-py3-none-any.whl` +
		"\nsome_tool-2.0-py3-none-any.whl " + wheeltest.SHA256([]byte("two"))[:4] + ` "" true /root/files/some_tool-2.0-py3-none-any.whl` +
		"\nsome_tool-3.0+cu121-py3-none-any.whl  \"\" false /root/files/some_tool-3.0+cu121-py3-none-any.whl"
	if json != want || html != want {
		t.Errorf("JSON says\n%s\nHTML says\n%s\nwant\n%s", json, html, want)
	}
	if files, err := client(t, index.Options{Index: x.URL}).Files(t.Context(), "none"); err != nil || len(files) > 0 {
		t.Errorf("of a project that is not there: %v, %v", files, err)
	}
	both := client(t, index.Options{Index: x.URL, Extra: []string{wheeltest.Serve(t, wheeltest.File{Name: "some_tool-9-py3-none-any.whl"}).URL}})
	if files, err := both.Files(t.Context(), "some-tool"); err != nil || len(files) != 4 {
		t.Errorf("of two indexes: %v, %v", files, err)
	}
}

// locked downloads the first wheel of a project, and returns its entry in a lock.
func locked(t *testing.T, c *index.Client, project string) wheel.Locked {
	t.Helper()
	files, err := c.Files(t.Context(), project)
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v, %v", files, err)
	}
	found, err := c.Inspect(t.Context(), files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Locked.Check(); err != nil {
		t.Error(err)
	}
	return found.Locked
}

func tool() wheeltest.Wheel {
	return wheeltest.Wheel{Name: "tool", Version: "1.0", Scripts: []string{"tool = tool:main"}, Files: map[string]string{"tool.py": "def main(): print('hi')\n" + strings.Repeat("# filler\n", 1000)}}
}

// A locked wheel comes from its old address, from a new one of the index, or from the
// cache alone, and never with other content.
func TestFetch(t *testing.T) {
	w := tool()
	x := wheeltest.Serve(t, wheeltest.Of(t, w))
	dir := t.TempDir()
	l := locked(t, client(t, index.Options{Cache: dir, Index: x.URL}), "tool")
	if l.Path != "../files/"+w.File() || l.SHA256 != wheeltest.SHA256(w.Bytes(t)) || strings.Join(l.Programs, " ") != "tool" {
		t.Errorf("locked is %+v", l)
	}
	offline := client(t, index.Options{Cache: dir, Index: x.URL, Offline: true})
	x.Asked()
	if err := offline.Fetch(t.Context(), []wheel.Locked{l}); err != nil {
		t.Error(err)
	}
	if asked := x.Asked(); len(asked) > 0 {
		t.Errorf("with the wheel in the cache the index is asked for %q", asked)
	}
	other := l
	other.SHA256 = strings.Repeat("0", 64)
	if err := offline.Fetch(t.Context(), []wheel.Locked{other}); err == nil || !strings.Contains(err.Error(), "is not in the cache, and --offline asks for no network") {
		t.Errorf("offline, another wheel: %v", err)
	}
	if err := client(t, index.Options{Index: x.URL}).Fetch(t.Context(), []wheel.Locked{other}); err == nil || !strings.Contains(err.Error(), "its SHA-256 is "+l.SHA256) {
		t.Errorf("another digest: %v", err)
	}
	// The path is that of another index. The page has the right one.
	moved := l
	moved.Path = "../elsewhere/" + w.File()
	if err := client(t, index.Options{Index: x.URL}).Fetch(t.Context(), []wheel.Locked{moved}); err != nil {
		t.Errorf("moved: %v", err)
	}
	moved.Path = ""
	if err := client(t, index.Options{Index: x.URL}).Fetch(t.Context(), []wheel.Locked{moved}); err != nil {
		t.Errorf("on another host: %v", err)
	}
	newer := tool()
	newer.Version = "1.1"
	x.Set(wheeltest.Of(t, newer))
	if err := client(t, index.Options{Index: x.URL}).Fetch(t.Context(), []wheel.Locked{l}); err == nil || !strings.Contains(err.Error(), "wheel tool-1.0-py3-none-any.whl has left the index, which has version 1.1 now\nhint: ") {
		t.Errorf("gone: %v", err)
	}
	// The disk corrupts the file.
	file := filepath.Join(dir, "wheels", l.SHA256+".whl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := offline.Open(t.Context(), l); err == nil || !strings.Contains(err.Error(), "is damaged: its file is removed") {
		t.Errorf("damaged: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the damaged file is still there")
	}
}

// In the end, Progress has been told of all bytes.
func TestProgress(t *testing.T) {
	w := tool()
	var mu sync.Mutex
	var last [2]int64
	x := wheeltest.Serve(t, wheeltest.Of(t, w))
	locked(t, client(t, index.Options{Index: x.URL, Progress: func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		last = [2]int64{done, total}
	}}), "tool")
	if size := int64(len(w.Bytes(t))); last != [2]int64{size, size} {
		t.Errorf("told of %v, want %d", last, size)
	}
}

// An index that lacks a locked wheel adds nothing to what is still to come.
func TestProgressWithoutWhatIsGone(t *testing.T) {
	w := tool()
	x := wheeltest.Serve(t, wheeltest.Of(t, w))
	l := locked(t, client(t, index.Options{Index: x.URL}), "tool")
	var mu sync.Mutex
	var last [2]int64
	c := client(t, index.Options{Index: wheeltest.Serve(t).URL, Extra: []string{x.URL}, Progress: func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		last = [2]int64{done, total}
	}})
	if err := c.Fetch(t.Context(), []wheel.Locked{l}); err != nil {
		t.Fatal(err)
	}
	if want := [2]int64{l.Size, l.Size}; last != want {
		t.Errorf("Progress got %v, want %v", last, want)
	}
}

// A transfer that ends early goes on where it ended.
func TestResume(t *testing.T) {
	for _, html := range []bool{false, true} { // an index in HTML tells no sizes
		w := tool()
		x := wheeltest.Serve(t, wheeltest.Of(t, w))
		if html {
			x.HTML()
		}
		var mu sync.Mutex
		var ranges []string
		x.Spoil(func(rw http.ResponseWriter, r *http.Request, data []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			ranges = append(ranges, r.Header.Get("Range"))
			if len(ranges) > 1 {
				return false
			}
			rw.Header().Set("Content-Length", fmt.Sprint(len(data)))
			rw.Write(data[:100])
			return true
		})
		l := locked(t, client(t, index.Options{Index: x.URL}), "tool")
		if l.SHA256 != wheeltest.SHA256(w.Bytes(t)) || strings.Join(ranges, ",") != ",bytes=100-" {
			t.Errorf("HTML %t: %s after %q", html, l.SHA256, ranges)
		}
	}
}

// Where the index gives no digest, it is computed.
func TestUnknownDigest(t *testing.T) {
	f := wheeltest.Of(t, tool())
	f.NoHash = true
	dir := t.TempDir()
	l := locked(t, client(t, index.Options{Cache: dir, Index: wheeltest.Serve(t, f).URL}), "tool")
	if l.SHA256 != wheeltest.SHA256(f.Data) {
		t.Errorf("digest is %s", l.SHA256)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "wheels", "*")); len(left) != 1 {
		t.Errorf("the cache has %q", left)
	}
}

// User and password are sent to the index alone: they reach neither a host that it
// redirects to, nor messages, nor the lock.
func TestPassword(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
		io.WriteString(w, "no wheel")
	}))
	defer other.Close()
	x := wheeltest.Serve(t, wheeltest.Of(t, tool()))
	x.Password("me", "s3cret")
	with := strings.Replace(x.URL, "://", "://me:s3cret@", 1)
	l := locked(t, client(t, index.Options{Index: with}), "tool")
	if strings.Contains(fmt.Sprintf("%+v", l), "s3cret") || l.Path == "" {
		t.Errorf("locked is %+v", l)
	}
	if err := client(t, index.Options{Index: with}).Fetch(t.Context(), []wheel.Locked{l}); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{x.URL, strings.Replace(x.URL, "://", "://me:wr0ng@", 1)} {
		_, err := client(t, index.Options{Index: wrong}).Files(t.Context(), "tool")
		if err == nil || !strings.Contains(err.Error(), "answers 401 Unauthorized\nhint: give user and password in the URL") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("with %s: %v", wrong, err)
		}
	}
	x.Spoil(func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		http.Redirect(w, r, other.URL, http.StatusFound)
		return true
	})
	if err := client(t, index.Options{Index: with}).Fetch(t.Context(), []wheel.Locked{l}); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("led elsewhere: %v", err)
	}
	if strings.Join(elsewhere, "") != "" || len(elsewhere) == 0 {
		t.Errorf("the other host was told %q", elsewhere)
	}
}

// Two indexes of one host may want different users, as the projects of GitLab do.
func TestUsersOfOneHost(t *testing.T) {
	file := wheeltest.Of(t, tool())
	var refused []string
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		project := strings.Split(r.URL.Path, "/")[1]
		if user, _, _ := r.BasicAuth(); user != "user-"+project {
			refused = append(refused, fmt.Sprintf("%s for %q", r.URL.Path, user))
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/two/simple/tool/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<a href='/two/files/%s#sha256=%s'>", file.Name, wheeltest.SHA256(file.Data))
		case "/two/files/" + file.Name:
			w.Write(file.Data)
		default:
			http.NotFound(w, r)
		}
	}))
	defer host.Close()
	of := func(project string) string {
		return strings.Replace(host.URL, "://", "://user-"+project+":pass@", 1) + "/" + project + "/simple"
	}
	c := client(t, index.Options{Index: of("two"), Extra: []string{of("one")}})
	if files, err := c.Files(t.Context(), "tool"); err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	} else if _, err := c.Inspect(t.Context(), files[0]); err != nil {
		t.Error(err)
	}
	if len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
}

// A page may not refer to files of this machine; and what neither a digest nor a
// certificate vouches for is not taken.
func TestLinksOfPages(t *testing.T) {
	own := filepath.Join(t.TempDir(), "tool-1.0-py3-none-any.whl")
	data := tool().Bytes(t)
	if err := os.WriteFile(own, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text/html", "application/vnd.pypi.simple.v1+json"} {
		host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", format)
			const plain = "http://files.example/tool-2.0-py3-none-any.whl"
			if format == "text/html" {
				fmt.Fprintf(w, "<a href='file://%s#sha256=%s'><a href='%s'>", own, wheeltest.SHA256(data), plain)
				return
			}
			fmt.Fprintf(w, `{"meta": {"api-version": "1.0"}, "files": [{"filename": "tool-1.0-py3-none-any.whl", "url": "file://%s", "hashes": {"sha256": %q}},
				{"filename": "tool-2.0-py3-none-any.whl", "url": %q, "hashes": {}}]}`, own, wheeltest.SHA256(data), plain)
		}))
		defer host.Close()
		c := client(t, index.Options{Index: host.URL})
		files, err := c.Files(t.Context(), "tool")
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: files %v, %v, want the one by http", format, files, err)
		}
		const want = "http://files.example/tool-2.0-py3-none-any.whl must come by https: the index has no digest of it"
		if _, err := c.Inspect(t.Context(), files[0]); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", format, err, want)
		}
	}
}

// A folder of wheels serves like an index, also without a network.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	w, other := tool(), wheeltest.Wheel{Name: "other"}
	for name, data := range map[string][]byte{w.File(): w.Bytes(t), other.File(): other.Bytes(t), "tool-2.0.tar.gz": nil, "README": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := client(t, index.Options{Index: "http://127.0.0.1:1/simple", Folders: []string{dir}, Offline: true})
	files, err := c.Files(t.Context(), "tool")
	if err != nil || len(files) != 2 { // its sources come along
		t.Fatalf("files: %v, %v", files, err)
	}
	r, err := wheel.ParseRequirement("tool")
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := wheel.Choose(wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"}, r, nil, false, files)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Inspect(t.Context(), chosen.File)
	if err != nil || found.SHA256 != wheeltest.SHA256(w.Bytes(t)) || found.Path != "" {
		t.Fatalf("inspected: %+v, %v", found, err)
	}
	if _, err := c.Files(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), "--offline asks for no network") {
		t.Errorf("of another project: %v", err)
	}
	again := client(t, index.Options{NoIndex: true, Folders: []string{dir}})
	if err := again.Fetch(t.Context(), []wheel.Locked{found.Locked}); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, w.File())); err != nil {
		t.Fatal(err)
	}
	if err := client(t, index.Options{NoIndex: true, Folders: []string{dir}}).Fetch(t.Context(), []wheel.Locked{found.Locked}); err == nil || !strings.Contains(err.Error(), "has left the index") {
		t.Errorf("gone: %v", err)
	}
	if _, err := client(t, index.Options{NoIndex: true, Folders: []string{dir + "/none"}}).Files(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "--find-links") {
		t.Errorf("no folder: %v", err)
	}
}

func TestRoots(t *testing.T) {
	for root, want := range map[string]string{
		"http://me:s3cret@pypi.example.org/simple": "must be reached by https",
		"pypi.example.org/simple":                  "must be the URL of a Python index",
		"file:///srv/wheels":                       "must be the URL of a Python index",
		"https://me:s3cret@[/":                     "cannot be read",
	} {
		_, err := index.New(t.Context(), index.Options{Cache: t.TempDir(), Index: root})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v; want %s", root, err, want)
		}
	}
}

// A page that cannot be used is an error that names it.
func TestBadPages(t *testing.T) {
	for media, body := range map[string]string{
		"application/vnd.pypi.simple.v1+json": "{", "application/vnd.pypi.simple.v1+json; a=b": `{"meta":{"api-version":"2.0"}}`, "image/png": "x",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", media)
			io.WriteString(w, body)
		}))
		if _, err := client(t, index.Options{Index: s.URL}).Files(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), `cannot use the page of "x" at http`) {
			t.Errorf("%s %q: %v", media, body, err)
		}
		s.Close()
	}
}
