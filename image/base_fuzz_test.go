package image

import (
	"archive/tar"
	"bytes"
	"path"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Whatever two layers of a base hold, what is known of it are clean paths that lie
// below the root, each with the folders above it, and texts of files that are there.
func FuzzBase(f *testing.F) {
	layer := func(headers ...tar.Header) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	f.Add(layer(tar.Header{Name: "etc/passwd", Size: 3}, tar.Header{Name: "./bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"}),
		layer(tar.Header{Name: "etc/.wh.passwd"}, tar.Header{Name: "bin/sh", Typeflag: tar.TypeLink, Linkname: "etc/passwd"}, tar.Header{Name: "a/.wh..wh..opq"}))
	f.Add(layer(tar.Header{Name: "/../../etc/group", Size: 1}, tar.Header{Name: "etc", Typeflag: tar.TypeReg}), layer(tar.Header{Name: ".wh.etc"}, tar.Header{Name: "etc/shadow", Size: 2}, tar.Header{Name: "dev/null", Typeflag: tar.TypeChar}))
	f.Fuzz(func(t *testing.T, below, above []byte) {
		r := &baseReader{tree: newTree(), texts: map[string][]byte{}, layer: map[string]int{}}
		for i, data := range [][]byte{below, above} {
			if err := r.read(t.Context(), i, static.NewLayer(data, types.OCIUncompressedLayer)); err != nil {
				break
			}
		}
		for name := range r.tree.facts {
			if name != path.Clean(name) || path.IsAbs(name) || name == "." || strings.HasPrefix(name, "../") || strings.HasPrefix(path.Base(name), ".wh.") {
				t.Errorf("it has the path %q", name)
			}
			if dir := path.Dir(name); dir != "." {
				if _, ok := r.tree.facts[dir]; !ok {
					t.Errorf("%q is there, and not the folder %q", name, dir)
				}
			}
		}
		for name := range r.texts {
			if _, ok := r.tree.facts[name]; !ok {
				t.Errorf("the text of %q is there, and not the file", name)
			}
		}
	})
}

func FuzzReadLdCache(f *testing.F) {
	f.Add(ldCache([]ldEntry{{"liba.so.1", "/usr/lib/liba.so.1", 0x303}, {"libb.so.1", "/usr/lib/libb.so.1", 0x303}}))
	f.Add([]byte("glibc-ld.so.cache1.1\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := readLdCache(string(data))
		if err != nil {
			return
		}
		again, err := readLdCache(string(ldCache(entries)))
		if err != nil || len(again) != len(entries) {
			t.Errorf("%d entries, written and read back %d, %v", len(entries), len(again), err)
		}
	})
}
