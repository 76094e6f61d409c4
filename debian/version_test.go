package debian_test

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nix2gpu/debian"
)

// Each line is sorted: every version is older than the next.
func TestCompareOrders(t *testing.T) {
	for _, line := range []string{
		"1.0~~ 1.0~~a 1.0~ 1.0 1.0-1 1.0-1+b1 1.0-1+deb12u1 1.0-2 1.0-10 1.0a 1.0b 1.0+ 1.0+b 1.0.1 1:0 2:0~rc1",
		"0~ 0 1 1e 1. 9 10 100 0100000000000000000000",
		"2.4.57-1 2.4.67-1~deb12u1 2.4.67-1",
		"1.a 1.aa 1.ab 1.b",
		"15.5-0 15.5-0+deb12u1 15.14-0 15.14-0+deb12u1",
	} {
		versions := strings.Fields(line)
		for i, a := range versions {
			for j, b := range versions {
				if got, want := sign(debian.Compare(a, b)), sign(i-j); got != want {
					t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
				}
			}
		}
	}
}

func TestCompareEqual(t *testing.T) {
	for _, pair := range [][2]string{{"1", "0:1"}, {"1.0", "1.00"}, {"1.0-0", "1.0"}, {"00:1.02", "0:1.2"}, {"1-a0", "1-a"}} {
		if c := debian.Compare(pair[0], pair[1]); c != 0 {
			t.Errorf("Compare(%q, %q) = %d, want 0", pair[0], pair[1], c)
		}
	}
}

// What dpkg says is what we say, over versions made at random from the bytes
// that matter.
func TestCompareIsDpkgs(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not installed: apt-get install dpkg")
	}
	random := rand.New(rand.NewPCG(1, 2))
	part := func() string {
		const alphabet = "0011259aAz~~++.."
		b := make([]byte, random.IntN(6))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(b)
	}
	version := func() string {
		v := string('0'+byte(random.IntN(3))) + part()
		if random.IntN(3) == 0 {
			v = string('0'+byte(random.IntN(2))) + ":" + v
		}
		if random.IntN(2) == 0 {
			v += "-1" + part()
		}
		return v
	}
	var script strings.Builder
	var pairs [][2]string
	for range 150 {
		a, b := version(), version()
		pairs = append(pairs, [2]string{a, b})
		script.WriteString("dpkg --compare-versions '" + a + "' lt '" + b + "' && echo -1 || { dpkg --compare-versions '" + a + "' eq '" + b + "' && echo 0 || echo 1; }\n")
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script.String()).Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("dpkg gave %d answers to %d questions", len(answers), len(pairs))
	}
	for i, p := range pairs {
		if want := map[string]int{"-1": -1, "0": 0, "1": 1}[answers[i]]; sign(debian.Compare(p[0], p[1])) != want {
			t.Errorf("Compare(%q, %q) = %d, dpkg says %d", p[0], p[1], debian.Compare(p[0], p[1]), want)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	for _, v := range []string{"1", "0:1-1", "1.2+dfsg~rc1-1+b2", "1:2:3"} {
		if err := debian.CheckVersion(v); err != nil {
			t.Errorf("CheckVersion(%q) = %v", v, err)
		}
	}
	for _, v := range []string{"", "a", ":1", "x:1", "1-", "1 2", "1_2", "1/2", "9999999999:1", "-1"} {
		if debian.CheckVersion(v) == nil {
			t.Errorf("CheckVersion(%q) is content", v)
		}
	}
}

// FuzzCompare wants an order: of any three, sorted two ways, the same; and of versions
// the one that dpkg has.
func FuzzCompare(f *testing.F) {
	dpkg, missing := exec.LookPath("dpkg")
	f.Add("1.0~rc1", "1.0", "1:0")
	f.Add("1-", "1-0", ":")
	f.Add("1é", "1~~", "1+b\x00")
	f.Add("0:1.0-1", "1.0-01", "00:1.0-1")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, p := range [][2]string{{a, b}, {b, c}, {a, c}} {
			if sign(debian.Compare(p[0], p[1])) != -sign(debian.Compare(p[1], p[0])) {
				t.Errorf("Compare(%q, %q) is not the reverse of the other", p[0], p[1])
			}
		}
		sorted := []string{a, b, c}
		slices.SortFunc(sorted, debian.Compare)
		if debian.Compare(sorted[0], sorted[2]) > 0 {
			t.Errorf("%q is not in order", sorted)
		}
		if missing != nil || debian.CheckVersion(a) != nil || debian.CheckVersion(b) != nil {
			return
		}
		relation := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[sign(debian.Compare(a, b))]
		if err := exec.CommandContext(t.Context(), dpkg, "--compare-versions", a, relation, b).Run(); err != nil {
			t.Errorf("Compare(%q, %q) says %s, dpkg does not", a, b, relation)
		}
	})
}

func sign(n int) int { return min(1, max(-1, n)) }
