package repo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nix2gpu/debian"
)

// A release is the content of an archive's Release file.
type release struct {
	suite, codename  string
	date, validUntil time.Time // zero if the file does not tell
	byHash           bool
	stanza           debian.Stanza
}

// A listed file is one whose digest is in a Release.
type listed struct {
	name   string
	size   int64
	sha256 string
}

func parseRelease(text []byte) (*release, error) {
	var s debian.Stanza
	for s = range debian.Stanzas(text) {
		break
	}
	r := &release{suite: s.Get("Suite"), codename: s.Get("Codename"), byHash: s.Get("Acquire-By-Hash") == "yes", stanza: s}
	var err error
	if r.date, err = parseDate(s.Get("Date")); err != nil {
		return nil, fmt.Errorf("its Date: %w", err)
	}
	if value := s.Get("Valid-Until"); value != "" {
		if r.validUntil, err = parseDate(value); err != nil {
			return nil, fmt.Errorf("its Valid-Until: %w", err)
		}
	}
	return r, nil
}

// parseDate parses the form that archives write, with or without a zero before the day.
func parseDate(text string) (time.Time, error) {
	for _, zone := range []string{"UTC", "GMT", "+0000", "Z"} {
		if rest, ok := strings.CutSuffix(text, " "+zone); ok {
			if t, err := time.Parse("Mon, _2 Jan 2006 15:04:05", rest); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q must be like %q", text, "Sat, 11 Jul 2026 10:16:37 UTC")
}

// check compares the file with what was asked for: a server could send the validly
// signed file of another suite, or an old one.
func (r *release) check(suite string, now time.Time, expires bool) error {
	if suite != r.suite && suite != r.codename && !strings.HasSuffix(suite, "/") {
		return fmt.Errorf("it is that of suite %q (%s), not of %q", r.suite, r.codename, suite)
	}
	// A clock may be a little slow. Beyond a day, the date or the clock is wrong.
	if r.date.After(now.Add(24 * time.Hour)) {
		return fmt.Errorf("it is of %s, which is in the future\nhint: set the clock of this machine: it says %s", stamp(r.date), stamp(now))
	}
	if expires && !r.validUntil.IsZero() && now.After(r.validUntil) {
		return fmt.Errorf("it expired at %s\nhint: take another mirror with --mirror: this one is no longer kept up to date", stamp(r.validUntil))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// find returns the files of these names, in their order.
func (r *release) find(names ...string) ([]listed, error) {
	found := make([]listed, len(names))
	for _, line := range r.stanza.Lines("SHA256") {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		i := slices.Index(names, strings.TrimPrefix(fields[2], "./"))
		if i < 0 {
			continue
		}
		size, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || size < 0 || !isDigest(fields[0]) {
			return nil, fmt.Errorf("its line %q cannot be read", line)
		}
		found[i] = listed{fields[2], size, fields[0]}
	}
	return found, nil
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
