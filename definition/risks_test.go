package definition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// A server on all addresses that asks for no password is warned of, at the option
// that opens it; one inside only, or with users, is not.
func TestOpenWithoutPassword(t *testing.T) {
	const clickhouse, nats = "clickhouse.a", "nats-server.a"
	for _, c := range []struct {
		service, options string
		at               string // what the warning points at; "" for none
	}{
		{clickhouse, ``, ""},
		{clickhouse, `listenAddress = "0.0.0.0";`, ""}, // its user is let in from here alone
		{clickhouse, `listenAddress = "0.0.0.0"; extraConfig.users.default.networks.ip = "::/0";`, "listenAddress"},
		{clickhouse, `extraConfig = { listen_host = "::"; users.default.networks.ip = "::/0"; };`, "extraConfig"},
		{clickhouse, `extraConfig.users.default.networks.ip = "::/0";`, ""}, // inside only
		{clickhouse, `listenAddress = "0.0.0.0"; extraConfig.users.default = { networks.ip = "::/0"; password_sha256_hex = "ab"; };`, ""},
		{clickhouse, `listenAddress = "0.0.0.0"; extraConfig.users.default = { networks.ip = "::/0"; password = ""; };`, "listenAddress"},
		{nats, ``, ""},
		{nats, `bind = "*";`, "bind"},
		{nats, `settings.host = "0.0.0.0";`, "settings"},
		{nats, `settings.listen = "0.0.0.0:4222";`, "settings"},
		{nats, `bind = "127.0.0.1"; settings.http = "0.0.0.0:8222";`, "settings"},
		{nats, `bind = "*"; settings.authorization = { user = "shop"; password = "x"; };`, ""},
		{nats, `bind = "*"; settings.accounts.shop.users = [ { user = "a"; password = "x"; } ];`, ""},
		{nats, `bind = "*"; settings.operator = "/keys/operator.jwt";`, ""},
	} {
		file := filepath.Join(t.TempDir(), "nix2gpu.nix")
		text := fmt.Sprintf("{ services.%s = { enable = true; %s }; }", c.service, c.options)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		at := ""
		for _, r := range definition.Risks(loaded.Project, loaded.Config) {
			if !strings.HasSuffix(r.Msg, " listens on all addresses and asks for no password") || r.Hint == "" {
				t.Errorf("%s: another warning: %s", text, r.Msg)
			}
			at, _, _ = strings.Cut(text[max(r.Pos.Col-1, 0):], " ")
			at, _, _ = strings.Cut(at, ".")
		}
		if at != c.at {
			t.Errorf("%s: warned of at %q, want %q", text, at, c.at)
		}
	}
}
