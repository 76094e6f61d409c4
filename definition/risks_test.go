package definition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// A server on all addresses that asks for no password is warned of, at the option that
// opens it; one on loopback only, or with users, is not.
func TestOpenWithoutPassword(t *testing.T) {
	const clickhouse, nats = "clickhouse.a", "nats-server.a"
	for _, c := range []struct {
		service, options string
		at               string // the option that the warning points at; "": no warning
	}{
		{clickhouse, ``, ""},
		{clickhouse, `listenAddress = "0.0.0.0";`, ""}, // by default its user is let in from this machine only
		{clickhouse, `listenAddress = "0.0.0.0"; extraConfig.users.default.networks.ip = "::/0";`, "listenAddress"},
		{clickhouse, `extraConfig = { listen_host = "::"; users.default.networks.ip = "::/0"; };`, "extraConfig"},
		{clickhouse, `extraConfig.users.default.networks.ip = "::/0";`, ""}, // on loopback only
		{clickhouse, `listenAddress = "0.0.0.0"; extraConfig.users.default = { networks.ip = "::/0"; password_sha256_hex = "ab"; };`, ""},
		{clickhouse, `listenAddress = "0.0.0.0"; extraConfig.users.default = { networks.ip = "::/0"; password = ""; };`, "listenAddress"},
		{"mongodb.a", ``, ""},
		{"mongodb.a", `bind = null;`, "bind"},
		{"mongodb.a", `bind = null; enableAuth = true; password = { secret = "s"; };`, ""},
		{"mongodb.a", `bind = null; settings.security.authorization = "enabled"; password = { secret = "s"; };`, ""},
		{"mongodb.a", `extraFlags = [ "--bind_ip_all" ];`, "extraFlags"},
		{"mongodb.a", `settings.net.bindIpAll = true;`, "settings"},
		{"elasticsearch.a", `listenAddress = "0.0.0.0";`, "listenAddress"},
		{"elasticsearch.a", `settings.http.host = "0.0.0.0";`, "settings"},
		{"elasticsearch.a", `listenAddress = "0.0.0.0"; settings.xpack.security.enabled = true;`, ""},
		{"qdrant.a", `host = "0.0.0.0";`, "host"},
		{"qdrant.a", `host = "0.0.0.0"; apiKey = { secret = "s"; };`, ""},
		{"chromadb.a", `host = "0.0.0.0";`, "host"},
		{"neo4j.a", `defaultListenAddress = "0.0.0.0";`, "defaultListenAddress"},
		{"neo4j.a", `extraServerConfig = "server.bolt.listen_address=0.0.0.0:7687";`, "extraServerConfig"},
		{"neo4j.a", `defaultListenAddress = "0.0.0.0"; initialPassword = { secret = "s"; };`, ""},
		{"cassandra.a", `rpcAddress = "0.0.0.0";`, "rpcAddress"},
		{"cassandra.a", `rpcAddress = "0.0.0.0"; extraConfig.authenticator.class_name = "PasswordAuthenticator";`, ""},
		{"loki.a", `httpAddress = "0.0.0.0";`, "httpAddress"},
		{"tempo.a", `httpAddress = "0.0.0.0";`, "httpAddress"},
		{"seaweedfs.a", `host = "0.0.0.0";`, "host"},
		{"weaviate.a", `openPorts = true;`, "enable"}, // it takes no address for gRPC
		{"weaviate.a", `openPorts = true; host = "0.0.0.0";`, "host"},
		{"weaviate.a", `openPorts = true; host = "0.0.0.0"; environment.AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED = "false";`, ""},
		{"minio.a", `consoleAddress = ":9001";`, "consoleAddress"},
		{"minio.a", `host = "0.0.0.0"; secretKeyFile = "/run/s";`, ""},
		{"ollama.a", `environmentVariables.OLLAMA_HOST = ":11434";`, "environmentVariables"},
		{"comfyui.a", `listen = "0.0.0.0"; cpu = true;`, "listen"},
		{"mlflow.a", `host = "0.0.0.0";`, "host"},
		{"mlflow.a", `host = "0.0.0.0"; extraArgs = [ "--app-name=basic-auth" ];`, "extraArgs"},
		{"mlflow.a", `host = "0.0.0.0"; extraArgs = [ "--app-name" "basic-auth" ]; environment.MLFLOW_AUTH_CONFIG_PATH = "/workspace/auth.ini";`, ""},
		{"tempo.a", `configFile = "./tempo.yaml";`, "configFile"},
		{"tempo.a", `configFile = "./tempo.yaml"; httpAddress = "127.0.0.1";`, ""},
		{"mongodb.a", `extraConfig = "net:\n  bindIpAll: true";`, "extraConfig"},
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
		text := fmt.Sprintf("{ services.%s = { enable = true; %s }; secrets.s.file = \"/run/s\"; }", c.service, c.options)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		at := ""
		for _, r := range definition.Risks(loaded.Project, loaded.Config, loaded.Root) {
			if !strings.HasSuffix(r.Msg, " listens on all addresses and asks for no password") && !strings.HasSuffix(r.Msg, "the password of its first user, admin") || r.Hint == "" {
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

// A warning is in the file that sets the option, even if another file has the service.
func TestRisksOfSeveralFiles(t *testing.T) {
	dir := folder(t, map[string]string{
		"nix2gpu.nix":      "{ imports = [ ./modules/open.nix ];\n\n\n  services.nats-server.a.enable = true; services.redis.b.enable = true; }",
		"modules/open.nix": "{\n  services.redis.b.bind = \"0.0.0.0\";\n  services.nats-server.a.bind = \"0.0.0.0\"; }",
	}, nil)
	loaded, err := definition.Load(t.Context(), definition.Ref{Path: filepath.Join(dir, "nix2gpu.nix")}, definition.Options{System: "x86_64-linux"})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, r := range definition.Risks(loaded.Project, loaded.Config, loaded.Root) {
		found = append(found, r.Pos.String())
	}
	if want := "modules/open.nix:2:20 modules/open.nix:3:26"; strings.Join(found, " ") != want {
		t.Errorf("found %v, want %s", found, want)
	}
}
