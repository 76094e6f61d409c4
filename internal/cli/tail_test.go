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
		var records []servicelog.Record
		for word := range strings.FieldsSeq(c.held) {
			source, message, _ := strings.Cut(word, ":")
			rec := servicelog.Record{Source: source, Message: []byte(message)}
			if strings.HasSuffix(message, "-") {
				rec.End = servicelog.EndCut
			}
			records = append(records, rec)
			tail.count(rec)
		}
		var got []string
		for _, rec := range append(records, servicelog.Record{Source: "new", Message: []byte("x")}) {
			if !tail.skips(rec) {
				got = append(got, rec.Source+":"+string(rec.Message))
			}
		}
		if got := strings.Join(got, " "); got != strings.TrimSpace(c.out+" new:x") {
			t.Errorf("last %d of %q: %q, want %q", c.lines, c.held, got, c.out)
		}
	}
}
