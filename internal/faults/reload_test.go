package faults

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// TestReloadOfWhatIsWrong reloads definitions that are wrong in many ways, by the verb and
// by the signal: each is refused with its place, and what runs goes on as it was.
func TestReloadOfWhatIsWrong(t *testing.T) {
	const right = `{ services.custom = {
  "one" = { enable = true; command = "exec sleep 1000"; };
  "two" = { enable = true; command = "exec sleep 1001"; depends_on.one = "started"; };
}; }
`
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", right)
	up := s.Start("up")
	up.WaitLine("all services healthy")
	wantRunning(t, s, "sleep 1000", 1)
	wantRunning(t, s, "sleep 1001", 1)
	before := s.MustExec("ps", "-o", "name")
	pids := s.Net.Processes()

	wrong := map[string]string{
		"another type":    strings.Replace(right, "enable = true", "enable = 1", 1),
		"unknown option":  strings.Replace(right, "enable = true", "enabled = true", 1),
		"unknown service": strings.Replace(right, "depends_on.one", "depends_on.three", 1),
		"a cycle":         strings.Replace(right, `1000"; }`, `1000"; depends_on.two = "started"; }`, 1),
		"an error":        strings.Replace(right, `"exec sleep 1000"`, `throw "no"`, 1),
		"endless":         strings.Replace(right, `"exec sleep 1000"`, `(let x = x + "a"; in x)`, 1),
		"no such file":    strings.Replace(right, `"exec sleep 1000"`, `(import ./none.nix)`, 1),
		"not text":        strings.Replace(right, `"exec sleep 1000"`, `"a\u0000b"`, 1),
	}
	for cut := 7; cut < len(right)-3; cut += 23 {
		wrong[fmt.Sprintf("cut at %d", cut)] = right[:cut]
	}
	place := regexp.MustCompile(`nix2gpu\.nix:\d+:\d+: `)
	for name, text := range wrong {
		s.Write("nix2gpu.nix", text)
		_, stderr, code := s.Exec("reload")
		if code == 0 || !place.MatchString(stderr) && !strings.Contains(stderr, "none.nix") {
			t.Errorf("%s: exit code %d, %q; want an error with its place", name, code, stderr)
		}
		if got := s.MustExec("ps", "-o", "name"); got != before {
			t.Errorf("%s: ps is now\n%s", name, got)
		}
	}
	up.Signal(syscall.SIGHUP) // the last of them
	up.WaitLine("reload")
	s.Write("nix2gpu.nix", right)
	if out := s.MustExec("reload"); !strings.Contains(out, "nothing has changed") {
		t.Errorf("the right one: %s", out)
	}
	if got := s.Net.Processes(); strings.Join(got, "\n") != strings.Join(pids, "\n") {
		t.Errorf("what runs was\n%s\nand is\n%s", strings.Join(pids, "\n"), strings.Join(got, "\n"))
	}
	t.Attr("R20", fmt.Sprintf("%d of %d refused, 0 changes of what runs", len(wrong), len(wrong)))
	up.Stop()
}
