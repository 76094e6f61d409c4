package image_test

import (
	"strings"
	"testing"

	"nix2gpu/image"
	"nix2gpu/internal/debtest"
)

// A level makes other bytes of the same layers; the usual one makes the usual bytes.
func TestCompressionLevels(t *testing.T) {
	s := spec(t, shop())
	text := ""
	for i := range 20000 {
		text += string(rune('a'+i%7*i%26)) + string(rune('a'+i*i%11))
	}
	s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "words", Entries: []debtest.Entry{debtest.File("usr/share/words", text)}}))
	sizes := map[string]int64{}
	var usual, gzip9 *image.Built
	for _, level := range []string{"", "gzip:7", "gzip:1", "gzip:9", "zstd:1", "zstd:19"} {
		c, err := image.ParseCompression(level)
		if err != nil {
			t.Fatal(err)
		}
		s.Compression = c
		b := build(t, s)
		for i, l := range b.Layers {
			sizes[level] += l.Size
			if usual != nil && l.DiffID != usual.Layers[i].DiffID {
				t.Errorf("%s: the layer %q holds something else", level, l.Title)
			}
			if strings.HasPrefix(level, "zstd") != strings.HasSuffix(string(l.Media), "tar+zstd") {
				t.Errorf("%s: a layer is %s", level, l.Media)
			}
			entries(t, l) // it is whole
		}
		switch level {
		case "":
			usual = b
		case "gzip:7":
			if digest(t, b) != digest(t, usual) {
				t.Error("gzip:7 is not what is usual")
			}
		case "gzip:9":
			gzip9 = b
		}
	}
	if sizes["gzip:1"] <= sizes["gzip:9"] || sizes["zstd:1"] <= sizes["zstd:19"] || digest(t, gzip9) == digest(t, usual) {
		t.Errorf("sizes are %v", sizes)
	}
	for _, wrong := range []string{"gzip:0", "gzip:10", "gzip:", "zstd:23", "zstd:best", "xz", ":3"} {
		if c, err := image.ParseCompression(wrong); err == nil {
			t.Errorf("%q is taken for %q", wrong, c)
		}
	}
}
