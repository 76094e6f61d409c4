package repo

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// What is read ahead is what is there, to the last byte, and so is the error behind it;
// who stops before the end leaves no goroutine.
func TestReadAhead(t *testing.T) {
	text := []byte(strings.Repeat("0123456789", 1000))
	broken := errors.New("broken")
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(text), "a byte at a time": iotest.OneByteReader(bytes.NewReader(text)), "the end with the data": iotest.DataErrReader(bytes.NewReader(text)),
		"nothing": bytes.NewReader(nil), "an error": io.MultiReader(bytes.NewReader(text[:777]), iotest.ErrReader(broken)),
	} {
		want, wantErr := text, error(nil)
		switch name {
		case "nothing":
			want = nil
		case "an error":
			want, wantErr = text[:777], broken
		}
		a := readAhead(r, 100, 3)
		got, err := io.ReadAll(a)
		if !bytes.Equal(got, want) || err != wantErr {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if _, again := a.Read(make([]byte, 1)); again == nil {
			t.Errorf("%s: it reads on behind the end", name)
		}
		a.Close()
	}
	a := readAhead(bytes.NewReader(text), 100, 3)
	if _, err := a.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	a.Close()
}
