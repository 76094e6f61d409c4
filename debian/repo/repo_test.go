package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
)

// A stand is a signed archive on loopback, and what it takes to use it.
type stand struct {
	t      *testing.T
	key    *debtest.Key
	server *debtest.Server
	opts   repo.Options
	suite  debtest.Archive
}

func debs() []debtest.Deb {
	return []debtest.Deb{
		{Name: "app", Version: "1.0-1", Arch: "amd64", Depends: "lib (>= 1)", Entries: []debtest.Entry{debtest.Exec("usr/bin/app", strings.Repeat("program ", 5000))}, Compression: "none"},
		{Name: "lib", Version: "1:2.0+b1~x", Arch: "amd64"},
		{Name: "app", Version: "1.0-1", Arch: "arm64"},
	}
}

func newStand(t *testing.T) *stand {
	t.Helper()
	key := debtest.NewKey(t, 0)
	s := &stand{t: t, key: key, suite: debtest.Archive{Keys: []*debtest.Key{key}, Debs: debs()}}
	s.server = debtest.Serve(t, s.suite.Tree(t))
	s.opts = repo.Options{
		Cache: filepath.Join(t.TempDir(), "cache"), Archives: []repo.Archive{s.archive()}, Now: now,
		Backoff: time.Millisecond, Stall: testkit.Patience,
	}
	return s
}

// now is two days after the archives of tests were made.
func now() time.Time { return time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC) }

func (s *stand) archive() repo.Archive {
	s.t.Helper()
	keys, err := repo.NewKeyring(s.key.Public(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	return repo.Archive{Name: "debian", URL: s.server.URL, Suite: "bookworm", Components: []string{"main"}, Keys: keys, Expires: true}
}

func (s *stand) client() *repo.Client {
	s.t.Helper()
	c, err := repo.NewClient(s.t.Context(), s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// lock resolves names over the index.
func (s *stand) lock(names ...string) ([]debian.Locked, error) {
	s.t.Helper()
	ix, _, err := s.client().Index(s.t.Context(), "amd64")
	if err != nil {
		return nil, err
	}
	solution, err := debian.Resolve(ix, debian.Request{Names: names})
	if err != nil {
		return nil, err
	}
	var out []debian.Locked
	for _, p := range solution.Packages {
		out = append(out, p.Locked)
	}
	return out, nil
}

func (s *stand) mustLock(names ...string) []debian.Locked {
	s.t.Helper()
	out, err := s.lock(names...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// read opens a package to its end.
func (s *stand) read(p debian.Locked) ([]byte, error) {
	c, err := repo.NewClient(s.t.Context(), s.opts)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, err := c.Open(s.t.Context(), p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// files lists what the cache holds, but for its lock.
func (s *stand) files() []string {
	s.t.Helper()
	var out []string
	err := filepath.WalkDir(s.opts.Cache, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "lock" {
			out = append(out, filepath.Ext(path))
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error without %q:\n%v", part, err)
		}
	}
}

func TestIndexAndPackages(t *testing.T) {
	for name, offered := range map[string][]string{"gz and xz": nil, "xz alone": {"xz"}, "neither": {"none"}} {
		for _, byHash := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, by hash %t", name, byHash), func(t *testing.T) {
				s := newStand(t)
				s.suite.Indexes, s.suite.NoByHash = offered, !byHash
				tree := s.suite.Tree(t)
				s.server.Set(tree)
				packages := s.mustLock("app")
				if len(packages) != 2 || packages[0].String() != "app 1.0-1 amd64" || packages[1].String() != "lib 1:2.0+b1~x amd64" || packages[1].Archive != "debian" {
					t.Fatalf("locked %v", packages)
				}
				asked := s.server.Asked()
				if want := "dists/bookworm/InRelease"; asked[0] != want || len(asked) != 2 || strings.Contains(asked[1], "by-hash") != byHash {
					t.Errorf("asked for %q, want %q first and an index", asked, want)
				}
				for _, p := range packages {
					data, err := s.read(p)
					if err != nil || !bytes.Equal(data, tree[p.Path]) {
						t.Errorf("%s: %d bytes, %v", p, len(data), err)
					}
				}
				if got, want := s.files(), []string{".InRelease", ".deb", ".deb", ".table"}; !slices.Equal(got, want) {
					t.Errorf("the cache has %q, want %q", got, want)
				}
				// Again: of all that only InRelease is asked for, and offline nothing.
				s.server.Asked()
				s.mustLock("app")
				if asked := s.server.Asked(); !slices.Equal(asked, []string{"dists/bookworm/InRelease"}) {
					t.Errorf("the second time it asked for %q", asked)
				}
				s.opts.Offline = true
				for _, p := range s.mustLock("app") {
					if _, err := s.read(p); err != nil {
						t.Error(err)
					}
				}
				if asked := s.server.Asked(); len(asked) > 0 {
					t.Errorf("offline it asked for %q", asked)
				}
			})
		}
	}
}

func TestArchitectures(t *testing.T) {
	s := newStand(t)
	ix, origins, err := s.client().Index(t.Context(), "arm64")
	if err != nil || ix.Newest("app").Arch != "arm64" || ix.Newest("lib") != nil {
		t.Errorf("%v: %v", ix, err)
	}
	if len(origins) != 1 || origins[0].Suite != "bookworm" || len(origins[0].InRelease) != 64 {
		t.Errorf("origins %v", origins)
	}
	_, _, err = s.client().Index(t.Context(), "riscv64")
	wantError(t, err, `it has no packages in "main/binary-riscv64": it names amd64 arm64`)
}

// A flat archive has its packages beside its index.
func TestFlatArchive(t *testing.T) {
	s := newStand(t)
	s.suite.Flat = true
	s.server.Set(s.suite.Tree(t))
	a := s.archive()
	a.Suite, a.Components = "./", nil
	s.opts.Archives = []repo.Archive{a}
	packages := s.mustLock("app")
	if _, err := s.read(packages[1]); err != nil || packages[1].Path != "lib_2.0+b1~x_amd64.deb" {
		t.Errorf("%v: %v", packages, err)
	}
}

func TestIndexRefuses(t *testing.T) {
	other := debtest.NewKey(t, 0)
	for name, test := range map[string]struct {
		change func(s *stand)
		want   []string
	}{
		"not signed": {func(s *stand) { s.suite.Keys = nil }, []string{"it is not signed", "hint: ", "--keyring"}},
		"unknown key": {
			func(s *stand) { s.suite.Keys = []*debtest.Key{other} },
			[]string{"it is signed by key " + other.Fingerprint() + ", which is not known", "--keyring FILE"},
		},
		"expired key": {func(s *stand) {
			s.key = debtest.NewKey(s.t, 24*365*6*time.Hour)
			s.suite.Keys, s.suite.Date = []*debtest.Key{s.key}, time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
			s.opts.Archives = []repo.Archive{s.archive()}
		}, []string{"which signed it, has expired"}},
		"expired index": {
			func(s *stand) { s.suite.ValidUntil = now().Add(-time.Hour) },
			[]string{"it expired at 2026-06-03 11:00 UTC", "--mirror"},
		},
		"from the future": {func(s *stand) {
			s.suite.Date = now().AddDate(0, 0, 40)
			s.opts.Now = func() time.Time { return now() }
		}, []string{"not valid at this time"}},
		"another suite": {
			func(s *stand) { s.suite.Suite = "stable"; a := s.suite; a.Codename = "trixie"; s.serveAs(a) },
			[]string{`it is that of suite "stable" (trixie), not of "bookworm"`},
		},
		"without a date": {func(s *stand) { s.spoilRelease("Date: ", "Data: ") }, []string{"is wrong: the file was changed"}},
		"no archive":     {func(s *stand) { s.server.Set(debtest.Tree{}) }, []string{"dists/bookworm/InRelease: the server answers 404 Not Found"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			test.change(s)
			if name != "another suite" && name != "without a date" && name != "no archive" {
				s.server.Set(s.suite.Tree(t))
			}
			_, err := s.lock("app")
			wantError(t, err, append(test.want, `cannot use the index of "bookworm" at `+s.server.URL)...)
			if got := s.files(); len(got) > 0 {
				t.Errorf("it left %q in the cache", got)
			}
		})
	}
}

// serveAs serves an archive where that of bookworm should be.
func (s *stand) serveAs(a debtest.Archive) {
	tree := a.Tree(s.t)
	tree["dists/bookworm/InRelease"] = tree["dists/"+a.Codename+"/InRelease"]
	s.server.Set(tree)
}

func (s *stand) spoilRelease(old, new string) {
	tree := s.suite.Tree(s.t)
	name := "dists/bookworm/InRelease"
	tree[name] = bytes.Replace(tree[name], []byte(old), []byte(new), 1)
	s.server.Set(tree)
}

// Every byte of what is signed counts: a change anywhere in it is noticed.
func TestVerifyNoticesEveryChange(t *testing.T) {
	s := newStand(t)
	signed := s.suite.Tree(t)["dists/bookworm/InRelease"]
	ring := s.archive().Keys
	text, err := repo.Verify(signed, ring, now())
	if err != nil || !strings.HasPrefix(string(text), "Origin: Tests\n") {
		t.Fatalf("%v: %q", err, text)
	}
	from, to := bytes.Index(signed, []byte("Origin: ")), bytes.Index(signed, []byte("-----BEGIN PGP SIGNATURE"))
	for i := from; i < to-1; i += 7 {
		changed := bytes.Clone(signed)
		changed[i] ^= 1
		if got, err := repo.Verify(changed, ring, now()); err == nil && !bytes.Equal(got, text) {
			t.Errorf("byte %d changed: accepted as %q", i, got)
		}
	}
	// What stands before and behind the signed part is nobody's.
	added := append([]byte("Origin: Enemy\n\n"), append(signed, "\nOrigin: Enemy\n"...)...)
	if got, err := repo.Verify(added, ring, now()); err == nil && !bytes.Equal(got, text) {
		t.Errorf("text around it: accepted as %q", got)
	}
}

// Of several signatures one that counts is enough, wherever it stands.
func TestVerifyTakesOneOfSeveral(t *testing.T) {
	s := newStand(t)
	stranger, expired := debtest.NewKey(t, 0), debtest.NewKey(t, 24*time.Hour)
	for _, keys := range [][]*debtest.Key{{stranger, expired, s.key}, {s.key, stranger}, {expired, s.key}} {
		s.suite.Keys = keys
		ring, err := repo.NewKeyring(append(s.key.Public(t), expired.Public(t)...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Verify(s.suite.Tree(t)["dists/bookworm/InRelease"], ring, now()); err != nil {
			t.Error(err)
		}
	}
}

// An index that is older than the one before is refused, also when it is signed;
// what was before stays usable.
func TestReplayIsRefused(t *testing.T) {
	s := newStand(t)
	s.mustLock("app")
	s.suite.Date = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	s.server.Set(s.suite.Tree(t))
	_, err := s.lock("app")
	wantError(t, err, "it is of 2026-05-01 00:00 UTC, older than that of 2026-06-01 12:00 UTC seen before", "replayed", "hint: ")
	s.opts.Offline = true
	s.mustLock("app")
	s.opts.Offline = false
	s.suite.Date = time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)
	s.server.Set(s.suite.Tree(t))
	s.mustLock("app")
}

// A file that is not of its digest is got once anew, then refused and removed.
func TestWrongDigest(t *testing.T) {
	for _, which := range []string{"by-hash", ".deb"} {
		for _, times := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s wrong %d times", which, times), func(t *testing.T) {
				s := newStand(t)
				var mu sync.Mutex
				left := times
				s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
					mu.Lock()
					defer mu.Unlock()
					if !strings.Contains(r.URL.Path, which) || left == 0 {
						return false
					}
					left--
					w.Write(bytes.Repeat([]byte{'x'}, len(data)))
					return true
				})
				packages, err := s.lock("lib")
				if err == nil {
					_, err = s.read(packages[0])
				}
				if times == 1 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantError(t, err, "its SHA-256 is ")
				if slices.ContainsFunc(s.files(), func(ext string) bool { return ext == ".deb" || ext == ".packages" }) {
					t.Errorf("the wrong file stayed: %q", s.files())
				}
			})
		}
	}
}

// A connection that ends early is gone on with, not begun anew.
func TestCutConnectionIsResumed(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	s.server.Asked()
	var mu sync.Mutex
	cuts := 0
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if cuts++; cuts > 1 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:10000])
		return true
	})
	if _, err := s.read(app); err != nil {
		t.Fatal(err)
	}
	asked := s.server.Asked()
	if len(asked) != 2 || !strings.HasSuffix(asked[1], ".deb bytes=10000-") {
		t.Errorf("asked for %q", asked)
	}
}

// A server that answers a part with something else is asked for the whole.
func TestServerWithoutRanges(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, data []byte){
		"the whole":       func(w http.ResponseWriter, data []byte) { w.Write(data) },
		"not satisfiable": func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) },
		"another part": func(w http.ResponseWriter, data []byte) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(data)-1, len(data)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[5:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			app := s.mustLock("app")[0]
			cut := false
			s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
				switch {
				case !cut:
					cut = true
					w.Header().Set("Content-Length", fmt.Sprint(len(data)))
					w.Write(data[:100])
				case r.Header.Get("Range") != "":
					answer(w, data)
				default:
					return false
				}
				return true
			})
			if _, err := s.read(app); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServerThatIsAlwaysCut(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		return true
	})
	_, err := s.read(app)
	wantError(t, err, "the connection ended before the file did, 4 times")
}

func TestStatuses(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	left := 2
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		left--
		if left >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return left >= 0
	})
	if _, err := s.read(app); err != nil {
		t.Errorf("after two answers of 503: %v", err)
	}
	os.RemoveAll(s.opts.Cache)
	for code, want := range map[int]string{503: "the server answers 503 Service Unavailable", 403: "the server answers 403 Forbidden", 404: `package app 1.0-1 amd64 has left the archive "debian"`} {
		s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.WriteHeader(code)
			return true
		})
		_, err := s.read(app)
		wantError(t, err, want)
		var gone *repo.GoneError
		if errors.As(err, &gone) != (code == 404) {
			t.Errorf("%d: %T", code, err)
		}
	}
}

// A server that sends a byte now and then is given up.
func TestSlowServer(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	s.opts.Stall = 50 * time.Millisecond
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		for i := range data {
			if _, err := w.Write(data[i : i+1]); err != nil {
				return true
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return true
			case <-time.After(5 * time.Millisecond):
			}
		}
		return true
	})
	_, err := s.read(app)
	wantError(t, err, "cannot get "+s.server.URL, "less than 4 KiB came in 50ms")
}

// A server that says nothing at all is given up as well.
func TestSilentServer(t *testing.T) {
	s := newStand(t)
	s.opts.Stall = 50 * time.Millisecond
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		<-r.Context().Done()
		return true
	})
	_, err := s.lock("app")
	wantError(t, err, "less than 4 KiB came in 50ms")
}

func TestNoAddress(t *testing.T) {
	s := newStand(t)
	s.opts.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: "mirror.example", IsNotFound: true}}
	}}
	_, err := s.lock("app")
	wantError(t, err, `there is no address for "mirror.example"`, "hint: another mirror with --mirror URL, or --offline")
}

func TestOfflineSaysWhatIsMissing(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	s.opts.Offline = true
	_, err := s.read(app)
	wantError(t, err, "package app 1.0-1 amd64 is not in the cache, and --offline asks for no network", "hint: ")
	s.opts.Cache = t.TempDir()
	_, err = s.lock("app")
	wantError(t, err, "the index is not in the cache")
}

// What left the archive is still got where a snapshot of it is.
func TestSnapshot(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	old := debtest.Serve(t, debtest.Tree{}.Add("old/debian/20260601", s.suite.Tree(t)))
	s.server.Set(debtest.Tree{})
	s.opts.Snapshot = old.URL + "/old/{archive}/20260601/"
	if _, err := s.read(app); err != nil {
		t.Error(err)
	}
	app.Archive = "grafana"
	app.SHA256 = strings.Repeat("0", 64)
	_, err := s.read(app)
	wantError(t, err, `of the archive "grafana", which the definition does not name`)
}

func TestFetchReportsAllThatIsGone(t *testing.T) {
	s := newStand(t)
	packages := s.mustLock("app")
	s.server.Set(debtest.Tree{})
	err := s.client().Fetch(t.Context(), packages)
	wantError(t, err, "package app 1.0-1 amd64 has left", "package lib 1:2.0+b1~x amd64 has left")
}

// Several programs that want the same files at once get each of them once.
func TestSharedCache(t *testing.T) {
	s := newStand(t)
	packages := s.mustLock("app")
	s.server.Asked()
	var wg sync.WaitGroup
	for range 8 {
		c := s.client()
		wg.Go(func() {
			if err := c.Fetch(t.Context(), packages); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked := s.server.Asked(); len(asked) != len(packages) {
		t.Errorf("asked for %q", asked)
	}
	// The same for the index, whose table one makes and all use.
	s.opts.Cache = t.TempDir()
	for range 8 {
		c := s.client()
		wg.Go(func() {
			if _, _, err := c.Index(t.Context(), "amd64"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Progress is told of packages alone, and of those that the cache lacked.
func TestFetchTellsItsProgress(t *testing.T) {
	s := newStand(t)
	packages := s.mustLock("app")
	var size int64
	for _, p := range packages {
		size += p.Size
	}
	var mu sync.Mutex
	var most, all int64
	told := 0
	s.opts.Progress = func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		most, all = max(most, done), total
		told++
	}
	c := s.client()
	if err := c.Fetch(t.Context(), packages); err != nil {
		t.Fatal(err)
	}
	if most != size || all != size || told < 2 {
		t.Errorf("told %d times, up to %d of %d; want %d", told, most, all, size)
	}
	told = 0
	if _, _, err := c.Index(t.Context(), "amd64"); err != nil {
		t.Fatal(err)
	}
	if told > 0 {
		t.Errorf("told %d times of an index", told)
	}
	if err := c.Fetch(t.Context(), packages); err != nil {
		t.Fatal(err)
	}
	if all != 0 {
		t.Errorf("with all in the cache: of %d, want of nothing", all)
	}
}

// What a killed program left is gone on with; what it left wrongly is not used.
func TestLeftovers(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	data := s.suite.Tree(t)[app.Path]
	part := filepath.Join(s.opts.Cache, "packages", app.SHA256+".deb.part")
	for name, left := range map[string][]byte{
		"a beginning": data[:5000], "rubbish": []byte("rubbish"), "all of it": data, "more than it": append(bytes.Clone(data), "more"...), "nothing": nil,
	} {
		os.RemoveAll(filepath.Dir(part))
		if err := os.MkdirAll(filepath.Dir(part), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(part, left, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := s.read(app)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A file of the right size and other bytes is found out when it is read, and
	// then got anew.
	place := strings.TrimSuffix(part, ".part")
	if err := os.WriteFile(place, bytes.Repeat([]byte{'x'}, len(data)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.read(app)
	wantError(t, err, "package app 1.0-1 amd64 in the cache is damaged: its file is removed", "hint: ")
	if _, err := s.read(app); err != nil {
		t.Error(err)
	}
}

func TestHostileLock(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	for field, change := range map[string]func(p *debian.Locked){
		"../x": func(p *debian.Locked) { p.Path = "../x" },
		"/etc": func(p *debian.Locked) { p.SHA256 = "../../../../etc" },
	} {
		p := app
		change(&p)
		_, err := s.read(p)
		wantError(t, err, field)
	}
}

// On a full disk nothing half-written stays, and the message says what helps.
func TestFullDisk(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	testkit.WithDisk(t, 32<<10, func(d testkit.Disk) error {
		s.opts.Cache = filepath.Join(d.Dir, "cache")
		_, err := s.read(app) // of 40 KB
		wantError(t, err, "no space left on device", "hint: nix2gpu cache prune, or put it elsewhere with XDG_CACHE_HOME")
		if got := s.files(); len(got) > 0 {
			t.Errorf("it left %q", got)
		}
		return nil
	})
}

// A cache that can only be read is good for what it has.
func TestReadOnlyCache(t *testing.T) {
	s := newStand(t)
	packages := s.mustLock("app")
	testkit.WithDisk(t, 1<<20, func(d testkit.Disk) error {
		s.opts.Cache = filepath.Join(d.Dir, "cache")
		if _, err := s.read(packages[0]); err != nil {
			return err
		}
		if err := unix.Mount("", d.Dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return err
		}
		if _, err := s.read(packages[0]); err != nil {
			t.Errorf("what it has: %v", err)
		}
		_, err := s.read(packages[1])
		wantError(t, err, "read-only file system", "hint: put it elsewhere with XDG_CACHE_HOME")
		return nil
	})
}

func TestCanceled(t *testing.T) {
	s := newStand(t)
	app := s.mustLock("app")[0]
	ctx, cancel := context.WithCancel(t.Context())
	s.server.Spoil(func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	c := s.client()
	if _, err := c.Open(ctx, app); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if err := c.Fetch(ctx, []debian.Locked{app}); !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch: %v", err)
	}
	if _, _, err := c.Index(ctx, "amd64"); !errors.Is(err, context.Canceled) {
		t.Errorf("Index: %v", err)
	}
}

// What left the archive is named with what is there instead, and how to take it.
func TestGoneSaysWhatIsThere(t *testing.T) {
	s := newStand(t)
	packages := s.mustLock("app")
	s.suite.Debs = []debtest.Deb{{Name: "app", Version: "2.0", Arch: "amd64"}}
	s.suite.Date = now()
	s.server.Set(s.suite.Tree(t))
	_, err := s.read(packages[0])
	wantError(t, err, `package app 1.0-1 amd64 has left the archive "debian", which has version 2.0 now: `,
		"hint: nix2gpu lock --update app, or set NIX2GPU_SNAPSHOT to the URL of an archive that keeps old versions")
	_, err = s.read(packages[1])
	wantError(t, err, `package lib 1:2.0+b1~x amd64 has left the archive "debian": `, "hint: set NIX2GPU_SNAPSHOT")
}
