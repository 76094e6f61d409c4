package provision

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// walRecord is a record as etcd writes it, with its padding.
func walRecord(typ byte, data string) string {
	text := string([]byte{1 << 3, typ, 2 << 3, 7}) + data // a checksum, which nobody looks at here
	pad := -len(text) & 7
	word := uint64(len(text))
	if pad > 0 {
		word |= uint64(0x80|pad) << 56
	}
	return string(binary.LittleEndian.AppendUint64(nil, word)) + text + strings.Repeat("\x00", pad)
}

// A member that was killed before its first entry begins anew, and no other does.
func TestEtcdBeginsAnew(t *testing.T) {
	head := walRecord(4, "") + walRecord(1, "ids") + walRecord(5, "\x08\x00\x10\x00")
	zeros := strings.Repeat("\x00", 64<<10)
	for name, c := range map[string]struct {
		files map[string]string
		kept  bool
	}{
		"nothing":           {map[string]string{}, true},
		"an empty log":      {map[string]string{"0-0.wal": ""}, true},
		"a log of zeros":    {map[string]string{"0-0.wal": zeros}, true},
		"half a head":       {map[string]string{"0-0.wal": walRecord(4, "") + zeros}, true},
		"a snapshot":        {map[string]string{"0-0.wal": head + zeros, "../snap/1-1.snap": "s"}, true},
		"a head":            {map[string]string{"0-0.wal": head + zeros, "0.tmp": zeros}, false},
		"an entry":          {map[string]string{"0-0.wal": head + walRecord(2, "entry") + zeros}, true},
		"a state":           {map[string]string{"0-0.wal": head + walRecord(3, "state") + zeros}, true},
		"two logs":          {map[string]string{"0-0.wal": head + zeros, "1-9.wal": head + zeros}, true},
		"a torn record":     {map[string]string{"0-0.wal": head[:len(head)-9]}, true},
		"something else":    {map[string]string{"0-0.wal": "a text of somebody else, which is long enough"}, true},
		"an unknown field":  {map[string]string{"0-0.wal": strings.Replace(head, "\x08\x01", "\x10\x01", 1) + zeros}, true},
		"no more than head": {map[string]string{"0-0.wal": head}, true},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			wal := filepath.Join(data, "member", "wal")
			if err := os.MkdirAll(wal, 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range c.files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(wal, file)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(wal, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := Main(context.Background(), []string{"etcd", "init", "--data=" + data}, Stdio{}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(wal); (err == nil) != c.kept {
				t.Errorf("kept %t, want %t", err == nil, c.kept)
			}
		})
	}
}
