package cli

import (
	"strings"
	"testing"

	"nix2gpu/servicelog"
)

func TestTail(t *testing.T) {
	// A word is SOURCE:MESSAGE; the message of a piece ends in "-".
	for _, c := range []struct {
		lines     int
		held, out string
	}{
		{1, "db-init:a db:b web:c db-setup:d", "web:c db-setup:d"},
		{2, "db-init:a db:b web:c db-setup:d", "db:b web:c db-setup:d"},
		{9, "db:a web:b", "db:a web:b"},
		{1, "db:a- web:x db:b- web:y db:c", "db:a- db:b- web:y db:c"},
		{1, "db:a- db:b db:c", "db:c"},
		{1, "", ""},
	} {
		tail := tail{lines: c.lines, label: func(source string) string {
			label, _, _ := strings.Cut(source, "-")
			return label
		}}
		for _, word := range strings.Fields(c.held) {
			source, message, _ := strings.Cut(word, ":")
			rec := servicelog.Record{Source: source, Message: []byte(message)}
			if strings.HasSuffix(message, "-") {
				rec.End = servicelog.EndCut
			}
			if !tail.add(rec) {
				t.Fatalf("%d: %s is not held back", c.lines, word)
			}
		}
		var got []string
		for _, rec := range tail.release() {
			got = append(got, rec.Source+":"+string(rec.Message))
		}
		if got := strings.Join(got, " "); got != c.out {
			t.Errorf("last %d of %q: %q, want %q", c.lines, c.held, got, c.out)
		}
		if tail.add(servicelog.Record{}) {
			t.Errorf("%d: what comes later is held back", c.lines)
		}
	}
}
