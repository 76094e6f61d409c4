package project_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"nix2gpu/project"
)

// Whatever JSON is decoded, nothing that is done with the project panics, and it can be
// encoded again.
func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile("testdata/project.golden.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"version":1,"name":"x","services":{"a":null},"processes":{"a":null,"b":{"service":"a"}},"container":{}}`))
	f.Add([]byte(`{"version":1,"services":{"a":{"id":"a","main":"a","dependsOn":{"a":{"condition":"ready"}}}},"files":{"f":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := project.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		first, err := p.Encode()
		if err != nil {
			t.Fatalf("read, and can't be written: %v", err)
		}
		q, err := project.Decode(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("written, and can't be read: %v\n%s", err, first)
		}
		if second, _ := q.Encode(); !bytes.Equal(first, second) {
			t.Fatalf("written twice:\n%s\n%s", first, second)
		}
		p.Masked()
		if p.Validate() != nil {
			return
		}
		p.AssignLabels()
		names := p.Names()
		ids, _ := p.ResolveAll(names)
		p.StopLevels(p.Select(ids, false))
		if c := p.Diff(q); !c.IsEmpty() {
			t.Fatalf("differs from itself: %+v", c)
		}
	})
}

// A password in a URL never shows, whatever surrounds it.
func FuzzMaskString(f *testing.F) {
	const canary = "c4n4ry"
	f.Add("postgresql://user:", "@host/db")
	f.Add("a redis://:", "@h b x://y:z@w")
	f.Fuzz(func(t *testing.T, before, after string) {
		if !strings.HasSuffix(before, "://user:") || !strings.HasPrefix(after, "@") || len(before) == len("://user:") {
			return
		}
		if c := before[len(before)-len("://user:")-1]; c|0x20 < 'a' || c|0x20 > 'z' {
			return // no scheme
		}
		if got := project.MaskString(before + canary + after); strings.Contains(got, canary) {
			t.Errorf("MaskString(%q) = %q", before+canary+after, got)
		}
	})
}
