package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdHostile starts a server that misbehaves until the script ends. $HOSTILE is its
// address without "http://".
//
//	hostile drip            sends a byte a second of every file
//	hostile silent          takes every request, and never answers
//	hostile status HEADER…  answers every request with this status and these headers
//	hostile upload status   is a registry that fails on every upload
func cmdHostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: hostile kind")
	}
	wait := func(r *http.Request, d time.Duration) bool {
		select {
		case <-time.After(d):
			return true
		case <-r.Context().Done():
		}
		return false
	}
	var status int
	answer := func(w http.ResponseWriter, headers []string) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ":")
			w.Header().Set(name, strings.TrimSpace(value))
		}
		w.WriteHeader(status)
	}
	var handler http.HandlerFunc
	switch args[0] {
	case "drip":
		handler = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			for {
				w.Write([]byte("x"))
				http.NewResponseController(w).Flush()
				if !wait(r, time.Second) {
					return
				}
			}
		}
	case "silent":
		handler = func(_ http.ResponseWriter, r *http.Request) { wait(r, time.Hour) }
	case "upload":
		fmt.Sscan(args[1], &status)
		handler = func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				answer(w, args[2:])
			case r.URL.Path == "/v2/":
				w.WriteHeader(http.StatusOK)
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}
	default:
		if n, _ := fmt.Sscan(args[0], &status); n != 1 {
			ts.Fatalf("unknown kind %q", args[0])
		}
		handler = func(w http.ResponseWriter, _ *http.Request) { answer(w, args[1:]) }
	}
	s := httptest.NewServer(handler)
	ts.Defer(func() { s.CloseClientConnections(); s.Close() })
	ts.Setenv("HOSTILE", strings.TrimPrefix(s.URL, "http://"))
}
