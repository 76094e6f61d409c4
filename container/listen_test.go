package container_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/engine"
)

// Metrics are scraped from outside, and the control API is where the definition or a
// variable says, with its token.
func TestListenInAContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container" = {
		metrics.listen = "0.0.0.0:9464";
		services.custom."web" = { enable = true; command = "echo hello; exec sleep infinity"; };
	}; }`)
	id := e.Container("-p", "28470:9464", "-e", "NIX2GPU_LISTEN=127.0.0.1:9400", "my-container:latest")
	e.WaitLogs(id, "all services healthy")
	e.WantBody("http://127.0.0.1:28470/metrics", `nix2gpu_service_healthy{service="web"} 1`)
	logs := e.Logs(id)
	if !strings.Contains(logs, "metrics are at http://[::]:9464/metrics") || !strings.Contains(logs, "the control API is at http://127.0.0.1:9400, with the token in ") {
		t.Errorf("the log does not say where:\n%s", logs)
	}
	_, rest, _ := strings.Cut(logs, "with the token in ")
	path, _, _ := strings.Cut(rest, "\n")
	ask := func(header string) string {
		return e.MustExec("exec", id, "bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/9400; printf 'GET /v1/health HTTP/1.0\r\nHost: localhost\r\n`+header+`\r\n' >&3; cat <&3`)
	}
	if got := ask(`Authorization: Bearer '"$(cat ` + strings.TrimSpace(path) + `)"'\r\n`); !strings.Contains(got, `{"healthy":true`) {
		t.Errorf("with the token: %s", got)
	}
	if got := ask(""); !strings.Contains(got, " 401 ") {
		t.Errorf("without it: %s", got)
	}
	// What can't be opened is said, and nothing is started.
	refused := e.Container("-e", "NIX2GPU_LISTEN=0.0.0.0:9400", "my-container:latest")
	if code := e.ExitCode(refused); code != 2 || !strings.Contains(e.Logs(refused), "set NIX2GPU_LISTEN_CERT_FILE and NIX2GPU_LISTEN_KEY_FILE") {
		t.Errorf("without TLS: exit code %d\n%s", code, e.Logs(refused))
	}
}
