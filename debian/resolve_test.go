package debian_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nix2gpu/debian"
)

// table reads packages written as "name version" and lines of fields, one
// paragraph each: "a 1\nDepends: b".
func table(t *testing.T, archive string, packages ...string) *debian.Table {
	t.Helper()
	var b strings.Builder
	for _, p := range packages {
		head, fields, _ := strings.Cut(p, "\n")
		name, version, _ := strings.Cut(head, " ")
		version, arch, ok := strings.Cut(version, " ")
		if !ok {
			arch = "amd64"
		}
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nFilename: pool/%s.deb\nSize: 7\nSHA256: %064x\n", name, version, arch, name, len(head))
		if fields != "" {
			b.WriteString(fields + "\n")
		}
		b.WriteByte('\n')
	}
	tab, err := debian.ReadPackages(strings.NewReader(b.String()), archive)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func index(t *testing.T, packages ...string) *debian.Index {
	t.Helper()
	return debian.NewIndex("amd64", table(t, "debian", packages...))
}

// chosen prints a solution: "a=1 b=2".
func chosen(s *debian.Solution) string {
	var out []string
	for _, p := range s.Packages {
		out = append(out, p.Name+"="+p.Version)
	}
	return strings.Join(out, " ")
}

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		name     string
		packages []string
		request  string
		want     string
	}{
		{"what it depends on", []string{"a 1\nPre-Depends: b\nDepends: c", "b 1", "c 1\nDepends: a", "d 1"}, "a", "a=1 b=1 c=1"},
		{"recommendations are not followed", []string{"a 1\nRecommends: b\nSuggests: b", "b 1"}, "a", "a=1"},
		{"essential packages are no dependencies", []string{"a 1", "b 1\nEssential: yes"}, "a", "a=1"},
		{"the newest version", []string{"a 1.9", "a 1.10", "a 1.10~rc1"}, "a", "a=1.10"},
		{"first alternative", []string{"a 1\nDepends: c | b", "b 1", "c 1"}, "a", "a=1 c=1"},
		{"first that exists", []string{"a 1\nDepends: none | b", "b 1"}, "a", "a=1 b=1"},
		{"first of the right version", []string{"a 1\nDepends: c (>= 2) | b (= 1)", "b 1", "c 1"}, "a", "a=1 b=1"},
		{"first whose own needs are met", []string{"a 1\nDepends: c | b", "b 1", "c 1\nDepends: d, none", "d 1"}, "a", "a=1 b=1"},
		{"what is wanted decides", []string{"a 1\nDepends: c | b", "b 1", "c 1"}, "a b", "a=1 b=1"},
		{"what was chosen decides", []string{"a 1\nDepends: b, c | b", "b 1", "c 1"}, "a", "a=1 b=1"},
		{"provided", []string{"a 1\nDepends: v", "b 1\nProvides: v", "c 1\nProvides: x, v"}, "a", "a=1 b=1"},
		{"the package of the name before those that provide it", []string{"a 1\nDepends: v", "b 1\nProvides: v", "v 1"}, "a", "a=1 v=1"},
		{"provider by priority", []string{"a 1\nDepends: v", "b 1\nPriority: optional\nProvides: v", "c 1\nPriority: required\nProvides: v"}, "a", "a=1 c=1"},
		{"essential provider", []string{"a 1\nDepends: v", "b 1\nPriority: required\nProvides: v", "c 1\nEssential: yes\nProvides: v"}, "a", "a=1 c=1"},
		{"version provided", []string{"a 1\nDepends: v (>= 2)", "b 1\nProvides: v", "c 1\nProvides: v (= 1)", "d 1\nProvides: w, v (= 2)"}, "a", "a=1 d=1"},
		{"wanted by what provides it", []string{"b 1\nProvides: v"}, "v", "b=1"},
		{"any architecture, where the package allows it", []string{"a 1\nDepends: b:any, c:native, d:amd64", "b 1\nMulti-Arch: allowed", "c 1", "d 1"}, "a", "a=1 b=1 c=1 d=1"},
		{"for every machine", []string{"a 1 all\nDepends: b", "b 1 arm64", "b 0"}, "a", "a=1 b=0"},
		{"folded fields", []string{"a 1\nDepends: b,\n c (>= 1)\n | d", "b 1", "c 1"}, "a", "a=1 b=1 c=1"},
		{"conflict with another version", []string{"a 1\nConflicts: b (<< 1)\nBreaks: c (>> 1)\nDepends: b, c", "b 1", "c 1"}, "a", "a=1 b=1 c=1"},
		{"conflict with what it provides itself", []string{"a 1\nProvides: v\nConflicts: v"}, "a", "a=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := debian.Resolve(index(t, test.packages...), debian.Request{Names: strings.Fields(test.request)})
			if err != nil {
				t.Fatal(err)
			}
			if got := chosen(s); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, test := range []struct {
		name     string
		packages []string
		request  string
		want     string
	}{
		{"unknown", []string{"postgresql 15", "redis 7"}, "postgresq none", `there is no package "none" for amd64` + "\n" + `there is no package "postgresq" for amd64; did you mean "postgresql"?`},
		{"of another machine", []string{"a 1 arm64"}, "a", `there is no package "a" for amd64`},
		{"a chain", []string{"a 2\nDepends: b", "b 1\nDepends: c (>= 2) | none", "c 1"}, "a",
			`package "a" cannot be had: c is 1, and there is no none for amd64` + "\n  a 2 depends on b\n  b 1 depends on c (>= 2) | none"},
		{"only provided without a version", []string{"a 1\nDepends: v (>= 1)", "b 1\nProvides: v"}, "a",
			`package "a" cannot be had: there is no v for amd64` + "\n  a 1 depends on v (>= 1)"},
		{"any, not allowed", []string{"a 1\nDepends: b:any", "b 1"}, "a", `package "a" cannot be had: b is 1` + "\n  a 1 depends on b:any"},
		{"another architecture", []string{"a 1\nDepends: b:arm64", "b 1"}, "a", `package "a" cannot be had: b is 1` + "\n  a 1 depends on b:arm64"},
		{"unreadable", []string{"a 1\nDepends: b (1)"}, "a", `package "a" cannot be had: a 1 amd64: relation "b (1)": "" must be <<, <=, =, >= or >>` + "\n  a 1"},
		{"conflict", []string{"a 1\nDepends: b, c", "b 1\nConflicts: c (<< 2)", "c 1"}, "a", "b 1 conflicts with c (<< 2), which is 1\n  a needs b\n  a needs c"},
		{"breaks", []string{"a 1\nDepends: c", "b 1\nBreaks: c", "c 1"}, "a b", "b 1 breaks c, which is 1\n  a needs c"},
		{"conflict with what another provides", []string{"a 1\nProvides: mta\nConflicts: mta", "b 1\nProvides: mta"}, "a b", "a 1 conflicts with mta, which b 1 provides"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := debian.Resolve(index(t, test.packages...), debian.Request{Names: strings.Fields(test.request)})
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, %v\nwant %s", s, err, test.want)
			}
		})
	}
}

// Of several tables the newest version counts; of the same the first table's.
func TestIndexMerges(t *testing.T) {
	ix := debian.NewIndex("amd64",
		table(t, "debian", "a 1", "b 1\nDepends: a (>= 2)\nProvides: v", "c 1"),
		table(t, "debian-security", "a 2", "c 1", "c 0", "d 1\nProvides: v\nPriority: required"))
	s, err := debian.Resolve(ix, debian.Request{Names: []string{"b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range s.Packages {
		got = append(got, p.Name+" "+p.Version+" "+p.Archive)
	}
	if want := []string{"a 2 debian-security", "b 1 debian", "c 1 debian"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.Packages[1].Needs[0] != "a" || s.Wanted["b"] != "b" {
		t.Errorf("needs %q, wanted %v", s.Packages[1].Needs, s.Wanted)
	}
	if p := ix.Providers("v"); len(p) != 2 || p[0].Name != "d" {
		t.Errorf("providers of v: %v", p)
	}
	if names := ix.Names(); !slices.Equal(names, []string{"a", "b", "c", "d"}) || ix.Len() != 7 {
		t.Errorf("names %q of %d packages", names, ix.Len())
	}
}

// Locked versions stay, also those that have left the index; what they hinder
// is named.
func TestResolveHolds(t *testing.T) {
	old, err := debian.Resolve(index(t, "a 1\nDepends: b, v", "b 1", "p 1\nProvides: v"), debian.Request{Names: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]debian.Chosen{}
	for _, p := range old.Packages {
		held[p.Name] = p
	}
	now := index(t, "a 2\nDepends: b (>= 2)", "b 2", "p 1\nProvides: v", "c 1\nDepends: b", "d 1\nDepends: c, b (>= 2)", "e 1\nDepends: v")
	resolve := func(names ...string) (string, error) {
		s, err := debian.Resolve(now, debian.Request{Names: names, Held: held})
		if err != nil {
			return "", err
		}
		return chosen(s), nil
	}
	if got, err := resolve("a", "c", "e"); got != "a=1 b=1 c=1 e=1 p=1" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	_, err = resolve("a", "d")
	var u *debian.UnsatisfiableError
	if !errors.As(err, &u) || !slices.Equal(u.Held, []string{"b"}) ||
		err.Error() != `package "d" cannot be had: b is locked at 1`+"\n  d 1 depends on b (>= 2)" {
		t.Errorf("got %v", err)
	}
	delete(held, "a")
	if _, err = resolve("a"); !errors.As(err, &u) || !slices.Equal(u.Held, []string{"b"}) {
		t.Errorf("a let go alone: %v", err)
	}
	delete(held, "b")
	if got, err := resolve("a"); got != "a=2 b=2" || err != nil {
		t.Errorf("a and b let go: %s, %v", got, err)
	}
}

// Any universe: a solution is closed and at peace, whatever the order of the
// packages, and the same each time.
func TestResolveAnyUniverse(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	solved := 0
	for range 300 {
		var packages []string
		n := 3 + random.IntN(12)
		name := func() string { return string(rune('a' + random.IntN(n+1))) }
		for i := range n {
			p := fmt.Sprintf("%c %d", 'a'+i, 1+random.IntN(3))
			if random.IntN(3) > 0 {
				p += fmt.Sprintf("\nDepends: %s | %s (>= %d), v%d | %s", name(), name(), 1+random.IntN(3), random.IntN(3), name())
			}
			if random.IntN(3) == 0 {
				p += fmt.Sprintf("\nProvides: v%d", random.IntN(3))
			}
			if random.IntN(8) == 0 {
				p += "\nConflicts: " + name() + " (= 2)"
			}
			packages = append(packages, p)
		}
		want := []string{name(), name()}
		first, err := debian.Resolve(index(t, packages...), debian.Request{Names: want})
		for i := len(packages) - 1; i > 0; i-- {
			j := random.IntN(i + 1)
			packages[i], packages[j] = packages[j], packages[i]
		}
		ix := index(t, packages...)
		again, err2 := debian.Resolve(ix, debian.Request{Names: []string{want[1], want[0]}})
		if fmt.Sprint(err) != fmt.Sprint(err2) || err == nil && chosen(first) != chosen(again) {
			t.Fatalf("%q of %q:\n%v %v\nthen\n%v %v", want, packages, first, err, again, err2)
		}
		if err != nil {
			continue
		}
		solved++
		checkClosed(t, ix, again)
	}
	if solved < 50 {
		t.Errorf("only %d of 300 universes had a solution: the test shows little", solved)
	}
}

// checkClosed wants every dependency of a solution in it, by a check of its own.
func checkClosed(t *testing.T, ix *debian.Index, s *debian.Solution) {
	t.Helper()
	have := map[string]string{}
	for _, p := range s.Packages {
		have[p.Name] = p.Version
	}
	for _, p := range s.Packages {
		full := ix.Newest(p.Name)
		groups, err := debian.ParseRelations(full.Depends)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			if !slices.ContainsFunc(g, func(r debian.Relation) bool {
				if v, ok := have[r.Name]; ok && r.Admits(v) {
					return true
				}
				return r.Op == "" && slices.ContainsFunc(s.Packages, func(q debian.Chosen) bool { return q.Provides == r.Name })
			}) {
				t.Errorf("%s has no %s in %s", p.Name, g, chosen(s))
			}
		}
		for _, need := range p.Needs {
			if _, ok := have[need]; !ok {
				t.Errorf("%s needs %s, which is not in %s", p.Name, need, chosen(s))
			}
		}
	}
}

// Versions that will not do are passed over, and packages that must not be taken are
// as if they were not there, with the reason.
func TestResolveAdmitsAndNever(t *testing.T) {
	ix := index(t, "nccl 2+cuda13", "nccl 1+cuda12", "app 1\nDepends: driver | nccl", "gpu 1\nDepends: driver", "driver 1", "other 1\nProvides: driver")
	request := func(names ...string) debian.Request {
		return debian.Request{
			Names:  names,
			Admits: map[string]func(string) bool{"nccl": func(v string) bool { return strings.HasSuffix(v, "+cuda12") }},
			Never: func(name string) string {
				if name == "driver" || name == "other" {
					return "is the host's"
				}
				return ""
			},
		}
	}
	s, err := debian.Resolve(ix, request("nccl", "app"))
	if err != nil || chosen(s) != "app=1 nccl=1+cuda12" {
		t.Errorf("resolved to %v, %v", s, err)
	}
	for name, want := range map[string]string{
		"gpu":    "package \"gpu\" cannot be had: driver is the host's\n  gpu 1 depends on driver",
		"driver": `package "driver" cannot be had: it is the host's`,
	} {
		if _, err := debian.Resolve(ix, request(name)); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
	w := request("nccl")
	w.Admits["nccl"] = func(string) bool { return false }
	if _, err := debian.Resolve(ix, w); err == nil || err.Error() != `package "nccl" cannot be had: none of its versions will do: 2+cuda13 1+cuda12` {
		t.Errorf("no version will do: %v", err)
	}
}

// What is installed is left as it is, unless another version of it is needed.
func TestResolveOnBase(t *testing.T) {
	there := []debian.Installed{
		{Name: "libc6", Version: "2.39", Arch: "amd64", MultiArch: "same", Provides: "libc6-dev-helper (= 2), awk"},
		{Name: "perl", Version: "5.38", Arch: "amd64", MultiArch: "allowed"}, {Name: "old", Version: "1", Arch: "amd64"}, {Name: "libc6", Version: "9", Arch: "i386"}, {Name: "data", Version: "1", Arch: "all"},
	}
	for _, test := range []struct {
		name     string
		packages []string
		request  string
		want     string
		ofBase   string
	}{
		{"there", []string{"libc6 3"}, "libc6", "", "libc6"},
		{"what it depends on", []string{"a 1\nDepends: libc6 (>= 2.34), data, perl:any", "libc6 3", "data 2", "perl 6"}, "a", "a=1", ""},
		{"what it provides", []string{"a 1\nDepends: awk, libc6-dev-helper (>= 2)", "mawk 1\nProvides: awk"}, "a awk", "a=1", "awk"},
		{"alternatives", []string{"a 1\nDepends: b | old", "b 1"}, "a", "a=1", ""},
		{"a newer one is needed", []string{"a 1\nDepends: old (>= 2)", "old 2\nDepends: more", "more 1"}, "a", "a=1 more=1 old=2", ""},
		{"then the newer one counts", []string{"a 1\nDepends: old (>= 2), b", "b 1\nDepends: old", "old 2"}, "a", "a=1 old=2 b=1", ""},
	} {
		s, err := debian.Resolve(index(t, test.packages...), debian.Request{Names: strings.Fields(test.request), There: there})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := strings.Fields(chosen(s))
		want := strings.Fields(test.want)
		slices.Sort(want)
		if !slices.Equal(got, want) || strings.Join(s.There, " ") != test.ofBase {
			t.Errorf("%s: got %v, %v of the base; want %q, %q", test.name, got, s.There, test.want, test.ofBase)
		}
		for _, p := range s.Packages {
			for _, n := range p.Needs {
				if !slices.ContainsFunc(s.Packages, func(q debian.Chosen) bool { return q.Name == n }) {
					t.Errorf("%s: %s needs %s, which is of the base", test.name, p.Name, n)
				}
			}
		}
	}
	for name, c := range map[string]struct{ list, want string }{
		"conflict": {"a 1\nConflicts: old", "a 1 conflicts with old, which is 1"},
		"breaks":   {"a 1\nBreaks: libc6 (<< 2.40)", "a 1 breaks libc6 (<< 2.40), which is 2.39"},
		"too old":  {"a 1\nDepends: perl (>= 6)", "package \"a\" cannot be had: the base has perl 5.38, and there is no perl for amd64\n  a 1 depends on perl (>= 6)"},
	} {
		if _, err := debian.Resolve(index(t, c.list), debian.Request{Names: []string{"a"}, There: there}); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}
