package sbom

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxCopyright bounds a copyright file, in bytes. The longest one in Debian, Boost's, is
// shorter.
const maxCopyright = 4 << 20

const docs = "usr/share/doc/"

// Copyrights returns the texts of the copyright files in a layer, by package, and links:
// from packages whose documentation is a link to another package's, which may be in
// another layer.
func Copyrights(l v1.Layer) (texts, links map[string]string, err error) {
	texts, links = map[string]string{}, map[string]string{}
	return texts, links, readCopyrights(l, texts, links)
}

// Lookup returns the text for a package among those of all layers; "" if there is none.
func Lookup(name string, texts, links map[string]string) string {
	// A longer chain of links is a loop.
	for n := 0; n < 8 && name != ""; n++ {
		if text := texts[name]; text != "" {
			return text
		}
		name = links[name]
	}
	return ""
}

func readCopyrights(l v1.Layer, texts, links map[string]string) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a layer: %w", err)
		}
		rest, ok := strings.CutPrefix(path.Clean("/" + h.Name)[1:], docs)
		if !ok {
			continue
		}
		name, file, _ := strings.Cut(rest, "/")
		switch {
		case h.Typeflag == tar.TypeSymlink && (file == "" || file == "copyright"):
			// "libfoo" or "../libfoo/copyright"
			target := path.Clean(path.Join("/"+docs, path.Dir(rest), h.Linkname))
			if to, ok := strings.CutPrefix(target, "/"+docs); ok {
				links[name], _, _ = strings.Cut(to, "/")
			}
		case h.Typeflag == tar.TypeReg && file == "copyright":
			data, err := io.ReadAll(io.LimitReader(tr, maxCopyright))
			if err != nil {
				return fmt.Errorf("read a layer: %w", err)
			}
			texts[name] = string(data)
		}
	}
}
