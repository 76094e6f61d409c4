package sbom

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxCopyright bounds a copyright file, in bytes. The longest one in Debian, Boost's, is
// shorter.
const maxCopyright = 4 << 20

const docs = "usr/share/doc/"

// Licences holds the content of copyright files. Links has the packages whose
// documentation is a link to another package's, which may be in another layer.
type Licences struct {
	Found map[string]Licence // by package
	Links map[string]string
}

// ReadLicences reads the copyright files of a layer.
func ReadLicences(l v1.Layer) (*Licences, error) {
	out := &Licences{map[string]Licence{}, map[string]string{}}
	return out, readCopyrights(l, out.Found, out.Links)
}

// Add adds those of another layer.
func (l *Licences) Add(o *Licences) {
	maps.Copy(l.Found, o.Found)
	maps.Copy(l.Links, o.Links)
}

// Of returns the licence of a package; the zero value if it is not known.
func (l *Licences) Of(name string) Licence {
	// A longer chain of links is a loop.
	for n := 0; n < 8 && name != ""; n++ {
		if found, ok := l.Found[name]; ok {
			return found
		}
		name = l.Links[name]
	}
	return Licence{}
}

// licencesMagic begins what Encode writes. Its number is that of the format.
const licencesMagic = "licences 1\n"

// Encode returns them in a format for caches, which is far faster to read than JSON.
func (l *Licences) Encode() []byte {
	out := []byte(licencesMagic)
	number := func(n int) { out = binary.AppendUvarint(out, uint64(n)) }
	text := func(s string) { number(len(s)); out = append(out, s...) }
	number(len(l.Found))
	for _, name := range slices.Sorted(maps.Keys(l.Found)) {
		found := l.Found[name]
		text(name)
		text(found.Expression)
		number(len(found.Texts))
		for _, id := range slices.Sorted(maps.Keys(found.Texts)) {
			text(id)
			number(found.Texts[id].Length)
			text(string(found.Texts[id].JSON))
		}
	}
	number(len(l.Links))
	for _, name := range slices.Sorted(maps.Keys(l.Links)) {
		text(name)
		text(l.Links[name])
	}
	return out
}

// DecodeLicences reads the format of [Licences.Encode]. Damaged data, or data of another
// format, is an error.
func DecodeLicences(data []byte) (*Licences, error) {
	rest, ok := bytes.CutPrefix(data, []byte(licencesMagic))
	number := func() int {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > maxCopyright {
			ok, rest = false, nil
			return 0
		}
		rest = rest[size:]
		return int(n)
	}
	text := func() []byte {
		n := number()
		if n > len(rest) {
			ok, rest = false, nil
			return nil
		}
		out := rest[:n:n]
		rest = rest[n:]
		return out
	}
	l := &Licences{map[string]Licence{}, map[string]string{}}
	for n := number(); n > 0 && ok; n-- {
		name := string(text())
		found := Licence{Expression: string(text())}
		for n := number(); n > 0 && ok; n-- {
			if found.Texts == nil {
				found.Texts = map[string]Text{}
			}
			id := string(text())
			found.Texts[id] = Text{number(), text()}
		}
		l.Found[name] = found
	}
	for n := number(); n > 0 && ok; n-- {
		name := string(text())
		l.Links[name] = string(text())
	}
	if !ok || len(rest) > 0 {
		return nil, errors.New("what is kept of licences is damaged")
	}
	return l, nil
}

func readCopyrights(l v1.Layer, found map[string]Licence, links map[string]string) error {
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
			if len(data) > 0 {
				found[name] = ReadLicence(string(data))
			}
		}
	}
}
