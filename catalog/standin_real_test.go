//go:build servers

package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// The whole life of servers that "make test-servers" builds, two instances of each, as
// [TestStandInsOfThePageLive] has it by stand-ins: also what the stand-ins cannot show, that
// they take what we write and keep what clients send.
func TestServersOfGoLive(t *testing.T) {
	programs, err := filepath.Abs("../bin/servers")
	if err != nil {
		t.Fatal(err)
	}
	const services = `
	  jaeger.a.enable = true;
	  jaeger.b = { enable = true; listenAddress = "127.0.0.2"; storage = "badger"; extraFlags = [ "--query.base-path=/traces" "--collector.zipkin.host-port=127.0.0.2:9411" ]; };`
	s := testkit.NewStackFrom(t, "")
	s.Env = append(s.Env, "PATH="+programs+":"+filepath.Dir(s.Bin)+":"+os.Getenv("PATH"))
	s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
	now := time.Now().UnixNano()
	span := fmt.Sprintf(`{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
	  "scopeSpans": [{"spans": [{"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "name": "buy", "kind": 1, "startTimeUnixNano": "%d", "endTimeUnixNano": "%d"}]}]}]}`, now, now+1000)
	sent := func(host string) {
		t.Helper()
		if _, stderr, code := s.ExecCommand("curl", "-sSf", "-H", "Content-Type: application/json", "--data-binary", span, "http://"+host+":4318/v1/traces"); code != 0 {
			t.Errorf("%s: %s", host, stderr)
		}
	}
	found := func(query string) {
		t.Helper()
		var out string
		if !testkit.Eventually(func() bool {
			out, _, _ = s.ExecCommand("curl", "-sS", query+"/api/traces/0102030405060708090a0b0c0d0e0f10")
			return strings.Contains(out, `"buy"`)
		}) {
			t.Errorf("%s answers %q", query, out)
		}
	}
	run := s.Start("up")
	run.WaitLine("all services healthy")
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		sent(host)
	}
	found("http://127.0.0.1:16686")
	found("http://127.0.0.2:16686/traces")
	audit(t, s, services)
	before := healthyMains(t, s)
	noneAsRoot(t, before)
	killAndBack(t, s, before)
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	found("http://127.0.0.2:16686/traces") // badger keeps them
	run.Stop()
}
