package wheeltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/internal/debtest"
	"nix2gpu/wheel"
)

// A File is a file in an index.
type File struct {
	Name           string
	Data           []byte
	RequiresPython string
	Yanked         bool
	NoHash         bool // the index does not tell its digest
}

// Of makes the file of a wheel.
func Of(tb testing.TB, w Wheel) File { return File{Name: w.File(), Data: w.Bytes(tb)} }

// An Index serves wheels on loopback, as PEP 503 and PEP 691 define. Its files can be
// spoiled, but not its pages.
type Index struct {
	debtest.Spoiler
	URL string // of the index: "http://127.0.0.1:1234/root/simple"

	mu    sync.Mutex
	files []File
	html  bool
	user  string
	pass  string
}

// Serve starts an index that ends with the test.
func Serve(tb testing.TB, files ...File) *Index {
	tb.Helper()
	x := &Index{files: files}
	x.URL = x.Start(tb, x.serve) + "/root/simple"
	return x
}

// Set replaces the files.
func (x *Index) Set(files ...File) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.files = files
}

// Password makes the index require a user and a password.
func (x *Index) Password(user, pass string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.user, x.pass = user, pass
}

// HTML makes the index answer in HTML only.
func (x *Index) HTML() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.html = true
}

func (x *Index) serve(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	files, onlyHTML, wantUser, wantPass := x.files, x.html, x.user, x.pass
	x.mu.Unlock()
	x.Note(r.URL.Path)
	if user, pass, ok := r.BasicAuth(); wantUser != "" && (!ok || user != wantUser || pass != wantPass) {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/root/files/"); ok {
		for _, f := range files {
			if f.Name == name {
				if x.Spoiled(w, r, f.Data) {
					return
				}
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Data))
				return
			}
		}
	}
	project, ok := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/root/simple/")
	var found []File
	for _, f := range files {
		stem, _, _ := strings.Cut(f.Name, "-")
		if ok && wheel.Normalize(stem) == project {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 0:
		http.NotFound(w, r)
	case !onlyHTML && strings.Contains(r.Header.Get("Accept"), "application/vnd.pypi.simple.v1+json"):
		writeJSON(w, project, found)
	default:
		writeHTML(w, project, found)
	}
}

func writeJSON(w http.ResponseWriter, project string, files []File) {
	type file map[string]any
	var list []file
	for _, f := range files {
		one := file{"filename": f.Name, "url": "../../files/" + f.Name, "hashes": map[string]string{}, "size": len(f.Data), "yanked": f.Yanked}
		if !f.NoHash {
			one["hashes"] = map[string]string{"sha256": SHA256(f.Data)}
		}
		if f.RequiresPython != "" {
			one["requires-python"] = f.RequiresPython
		}
		list = append(list, one)
	}
	w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
	json.NewEncoder(w).Encode(map[string]any{"meta": map[string]string{"api-version": "1.1"}, "name": project, "files": list})
}

func writeHTML(w http.ResponseWriter, project string, files []File) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>Links for %s</title></head><body>\n<!-- <a href=\"no\">no</a> -->\n", project)
	for _, f := range files {
		sum, more := "#sha256="+SHA256(f.Data), ""
		if f.NoHash {
			sum = ""
		}
		if f.RequiresPython != "" {
			more += fmt.Sprintf(" data-requires-python=\"%s\"", html.EscapeString(f.RequiresPython))
		}
		if f.Yanked {
			more += " data-yanked=\"bad\""
		}
		fmt.Fprintf(w, "<a href=\"../../files/%s%s\"%s>%s</a><br/>\n", f.Name, sum, more, f.Name)
	}
	fmt.Fprint(w, "</body></html>\n")
}
