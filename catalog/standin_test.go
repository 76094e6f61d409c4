package catalog_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// standIn puts the program that stands in for others into a folder, under the name of a
// server, with the list of what that server's documentation names.
func standIn(t *testing.T, dir, server string) {
	t.Helper()
	for from, to := range map[string]string{"standin": server, server + ".keys": server + ".keys"} {
		text, err := os.ReadFile(filepath.Join("testdata", "standins", from))
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A stand-in takes nothing that its list does not have: what passes with it is what the
// documentation names.
func TestStandInIsStrict(t *testing.T) {
	needs(t, "python3")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"wrong.json": `{"server": {"http_listen_port": 1, "no_such_key": 2}}`,
		"text.json":  `{"server": {"http_listen_port": "1"}}`,
		"set.json":   `{"server": 1}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ command, env, says string }{
		{"loki -config.file=wrong.json", "", "no such key: server.no_such_key"},
		{"loki --config.file text.json", "", "server.http_listen_port: a int, not text"},
		{"loki --config.file=set.json", "", "no such key: server"},
		{"loki --no-such-flag", "", "no such flag: --no-such-flag"},
		{"loki surplus", "", "no such argument: surplus"},
		{"tempo -server.http-listen-address=127.0.0.1", "", "no such flag: -server.http-listen-address"},
		{"alloy run", "", "file is missing"},
		{"alloy stop x", "", "stop where run belongs"},
		{"mailpit --max=many", "", "--max: not a int: 'many'"},
		{"mailpit --max 1 --max 2", "", "twice: --max"},
		{"mailpit", "MP_NO_SUCH=1", "no such variable: MP_NO_SUCH"},
	} {
		server, args, _ := strings.Cut(c.command, " ")
		standIn(t, dir, server)
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, server), strings.Fields(args)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), c.env)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: %v, %q, want %q", c.command, err, stderr.String(), c.says)
		}
	}
}
