package catalog_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// A Redis that follows another one has what that has, over a kill of both and a second
// start, and takes no changes. What is slow, is remembered as the options say.
func TestRedisFollows(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server")
	s := testkit.NewStackFrom(t, "")
	const services = `
	  redis.main = { enable = true; requirePassFile = "./password"; appendOnly = true; slowLogLogSlowerThan = 0; slowLogMaxLen = 2; };
	  redis.copy = { enable = true; port = 6380; replicaOf.port = 6379; masterAuthFile = "./password"; depends_on.main = "ready"; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"}; }\n")
	s.Write("password", "p \"w\\\n")
	says := func(port, want string, command ...string) {
		t.Helper()
		password := []string{}
		if port == "6379" {
			password = []string{"-a", `p "w\`, "--no-auth-warning"}
		}
		var got string
		if !testkit.Eventually(func() bool {
			out, stderr, _ := s.ExecCommand("redis-cli", append(append([]string{"-p", port}, password...), command...)...)
			got = out + stderr
			return strings.HasPrefix(got, want) // what it says first is no address of an error
		}) {
			t.Errorf("%s: %q answers %q, want %q", port, command, got, want)
		}
	}
	run := s.Start("up")
	run.WaitLine("all services healthy")
	says("6379", "OK", "set", "chair", "blue")
	says("6380", "blue", "get", "chair")
	says("6380", "READONLY", "set", "chair", "red")
	says("6379", "2", "slowlog", "len")
	audit(t, s, services)
	killAndBack(t, s, healthyMains(t, s))
	says("6379", "blue", "get", "chair")
	says("6379", "OK", "set", "table", "green")
	says("6380", "green", "get", "table")
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	says("6380", "green", "get", "table")
	says("6379", "OK", "set", "lamp", "white")
	says("6380", "white", "get", "lamp")
	run.Stop()
}
