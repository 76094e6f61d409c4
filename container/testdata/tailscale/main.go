// Command tailscale stands in for tailscaled, and for its client under the name
// tailscale: their flags, as far as nix2gpu gives any, the local API on a socket,
// and a state that is kept. Where STANDIN_HOLD names a file that is not there, the
// tailnet is not reached.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	run := client
	if filepath.Base(os.Args[0]) == "tailscaled" {
		run = daemon
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A node is what a state file holds.
type node struct {
	Hostname string
	Tags     string
}

type server struct {
	sync.Mutex
	file string
	node node
}

func (s *server) state() string {
	s.Lock()
	defer s.Unlock()
	switch hold := os.Getenv("STANDIN_HOLD"); {
	case s.node.Hostname == "":
		return "NeedsLogin"
	case hold != "":
		if _, err := os.Stat(hold); err != nil {
			return "Starting"
		}
	}
	return "Running"
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != "local-tailscaled.sock" {
		http.Error(w, "bad host", http.StatusForbidden)
		return
	}
	switch r.URL.Path {
	case "/localapi/v0/status":
		json.NewEncoder(w).Encode(map[string]any{"BackendState": s.state(), "HostName": s.node.Hostname})
	case "/stand-in/up":
		var asked struct{ Hostname, Tags, Key string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Lock()
		defer s.Unlock()
		if s.node.Hostname == "" && !strings.HasPrefix(asked.Key, "tskey-auth-good") {
			http.Error(w, "invalid key: unable to validate API key", http.StatusUnauthorized)
			return
		}
		s.node = node{asked.Hostname, asked.Tags}
		data, _ := json.Marshal(s.node)
		if err := os.WriteFile(s.file, data, 0o600); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	default:
		http.NotFound(w, r)
	}
}

func daemon() error {
	f := flag.NewFlagSet("tailscaled", flag.ExitOnError)
	file := f.String("state", "", "")
	dir := f.String("statedir", "", "")
	socket := f.String("socket", "/var/run/tailscale/tailscaled.sock", "")
	tun := f.String("tun", "tailscale0", "")
	socks := f.String("socks5-server", "", "")
	proxy := f.String("outbound-http-proxy-listen", "", "")
	f.Parse(os.Args[1:])
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	fmt.Printf("tailscaled: tun=%s state=%s socks=%s proxy=%s\n", *tun, *file, *socks, *proxy)
	if info, err := os.Stat(*dir); err != nil || !info.IsDir() {
		return fmt.Errorf("statedir: %v", err)
	}
	s := &server{file: *file}
	if data, err := os.ReadFile(*file); err == nil {
		if err := json.Unmarshal(data, &s.node); err != nil {
			return err
		}
	}
	if *socks != "" {
		l, err := net.Listen("tcp", *socks)
		if err != nil {
			return err
		}
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "through the tailnet to %s\n", r.URL)
		}))
	}
	os.Remove(*socket)
	l, err := net.Listen("unix", *socket)
	if err != nil {
		return err
	}
	go http.Serve(l, s)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	fmt.Println("tailscaled: done")
	return os.Remove(*socket)
}

func client() error {
	f := flag.NewFlagSet("tailscale", flag.ExitOnError)
	socket := f.String("socket", "/var/run/tailscale/tailscaled.sock", "")
	f.Parse(os.Args[1:])
	ask := func(method, path string, body []byte) (string, error) {
		c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", *socket)
		}}}
		req, err := http.NewRequest(method, "http://local-tailscaled.sock"+path, bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		resp, err := c.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s", strings.TrimSpace(string(data)))
		}
		return string(data), err
	}
	switch f.Arg(0) {
	case "status":
		out, err := ask("GET", "/localapi/v0/status", nil)
		fmt.Print(out)
		return err
	case "up":
		up := flag.NewFlagSet("up", flag.ExitOnError)
		up.Bool("reset", false, "")
		hostname := up.String("hostname", "", "")
		tags := up.String("advertise-tags", "", "")
		key := up.String("auth-key", "", "")
		up.Parse(f.Args()[1:])
		asked := map[string]string{"Hostname": *hostname, "Tags": *tags, "Key": *key}
		if path, ok := strings.CutPrefix(*key, "file:"); ok {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			asked["Key"] = strings.TrimSpace(string(data))
		}
		data, _ := json.Marshal(asked)
		if _, err := ask("POST", "/stand-in/up", data); err != nil {
			return fmt.Errorf("backend error: %v", err)
		}
		for {
			out, err := ask("GET", "/localapi/v0/status", nil)
			if err != nil || strings.Contains(out, `"Running"`) {
				fmt.Println("Success.")
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return fmt.Errorf("what is %q", f.Arg(0))
}
