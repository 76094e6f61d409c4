package repo

import (
	"strings"
	"testing"
	"time"
)

func TestParseRelease(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	r, err := parseRelease([]byte("Suite: oldstable\nCodename: bookworm\nDate: Sat,  1 Aug 2026 10:16:37 UTC\nValid-Until: Sat, 08 Aug 2026 10:16:37 GMT\nAcquire-By-Hash: yes\n" +
		"MD5Sum:\n 00 7 main/Packages\nSHA256:\n " + sum + "      7 main/Packages\n " + sum + " 8 ./x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !r.byHash || !r.date.Equal(time.Date(2026, 8, 1, 10, 16, 37, 0, time.UTC)) || !r.validUntil.Equal(r.date.AddDate(0, 0, 7)) {
		t.Errorf("got %+v", r)
	}
	found, err := r.find("x", "main/Packages", "none")
	if err != nil || found[0].size != 8 || found[1] != (listed{"main/Packages", 7, sum}) || found[2].name != "" {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestParseReleaseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     `its Date: "" must be like`,
		"Date: yesterday":                      `its Date: "yesterday" must be like`,
		"Date: Sat, 1 Aug 2026 10:16:37 +0200": `its Date: "Sat, 1 Aug 2026 10:16:37 +0200" must be like`,
		"Date: Sat, 1 Aug 2026 10:16:37 UTC\nValid-Until: x": `its Valid-Until: "x" must be like`,
	} {
		if _, err := parseRelease([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, line := range []string{"12 7 x", strings.Repeat("0a", 32) + " -7 x", strings.Repeat("0a", 32) + " seven x"} {
		r, err := parseRelease([]byte("Date: Sat, 1 Aug 2026 10:16:37 UTC\nSHA256:\n " + line + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.find("x"); err == nil {
			t.Errorf("%q is accepted", line)
		}
	}
}

// FuzzRelease wants of any text an error, or a file whose lists can be read, and which
// is good at its own date.
func FuzzRelease(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add("Suite: oldstable\nDate: Sat,  1 Aug 2026 10:16:37 UTC\nValid-Until: Sat, 08 Aug 2026 10:16:37 GMT\nSHA256:\n " + sum + " 7 main/Packages\n")
	f.Add("Date: Sat, 1 Aug 2026 10:16:37 +0000\nSHA256: " + sum + " 7 ./Packages\n " + sum + " -1 x\n")
	f.Add("date: Sat, 1 Aug 2026 10:16:37 Z\n\nDate: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRelease([]byte(text))
		if err != nil {
			return
		}
		found, err := r.find("Packages", "main/Packages", "x")
		for _, l := range found {
			if err == nil && l.name != "" && (l.size < 0 || !isDigest(l.sha256)) {
				t.Errorf("%q lists %+v", text, l)
			}
		}
		if err := r.check(r.suite, r.date, true); err != nil && !r.validUntil.Before(r.date) {
			t.Errorf("%q is refused at its own time: %v", text, err)
		}
	})
}

func TestReleaseCheck(t *testing.T) {
	date := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	r := &release{suite: "oldstable", codename: "bookworm", date: date, validUntil: date.AddDate(0, 0, 7)}
	for _, suite := range []string{"oldstable", "bookworm", "./"} {
		if err := r.check(suite, date.AddDate(0, 0, 1), true); err != nil {
			t.Errorf("%q: %v", suite, err)
		}
	}
	for _, test := range []struct {
		suite   string
		now     time.Time
		expires bool
		want    string
	}{
		{"stable", date, true, `it is that of suite "oldstable" (bookworm), not of "stable"`},
		{"bookworm", date.AddDate(0, 0, -2), true, "it is of 2026-08-01 00:00 UTC, which is in the future\nhint: set the clock"},
		{"bookworm", date.AddDate(0, 0, 8), true, "it expired at 2026-08-08 00:00 UTC"},
		{"bookworm", date.AddDate(0, 0, 8), false, ""},
	} {
		err := r.check(test.suite, test.now, test.expires)
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || test.want == "" || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%q at %s: %v, want %s", test.suite, test.now, err, test.want)
		}
	}
}
