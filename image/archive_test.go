package image_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/debian"
	"nix2gpu/image"
	"nix2gpu/internal/debtest"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// inParts is a file in memory.
type inParts struct{ *bytes.Reader }

func (inParts) Close() error { return nil }

func archived(a packages.Archive, data []byte) image.Package {
	sum := sha256.Sum256(data)
	return image.Package{
		Locked:  debian.Locked{Name: a.Attr, Arch: "amd64", Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])},
		Archive: &a,
		Open:    func(context.Context) (io.ReadCloser, error) { return inParts{bytes.NewReader(data)}, nil },
	}
}

// An archive has a layer of its own, which is the same in every image that has
// it; which of its programs are linked changes nothing but the links.
func TestArchiveLayer(t *testing.T) {
	data := debtest.Compress(t, "zst", debtest.Tar(t, []debtest.Entry{debtest.Exec("tool-1/bin/tool", "#!/bin/sh\n"), debtest.Exec("tool-1/sbin/toold", "#!/bin/sh\n")}))
	layer := func(b *image.Built, title string) v1.Hash {
		for _, l := range b.Layers {
			if l.Title == title {
				return l.Digest
			}
		}
		t.Fatalf("no layer %q", title)
		return v1.Hash{}
	}
	with := func(p *project.Project, a packages.Archive) *image.Built {
		p.Container.SystemPkgs = []project.PackageRef{{Attr: a.Attr}}
		s := spec(t, p)
		s.Packages = append(s.Packages, archived(a, data))
		return build(t, s)
	}
	one := with(shop(), packages.Archive{Attr: "tool", Strip: 1})
	other := shop()
	other.Name, other.Services, other.Processes = "bare", nil, nil
	two := with(other, packages.Archive{Attr: "tool", Strip: 1, Bin: []packages.Bin{{Path: "bin"}, {Name: "daemon", Path: "sbin/toold"}}})
	if a, b := layer(one, "archive tool"), layer(two, "archive tool"); a != b {
		t.Errorf("the layer of one archive has digest %s in one image and %s in another", a, b)
	}
	if a, b := layer(one, "accounts, certificates, loader, packages by name"), layer(two, "accounts, certificates, loader, packages by name"); a == b {
		t.Error("bin links nothing else")
	}
	stripped := with(shop(), packages.Archive{Attr: "tool", Strip: 0, Bin: []packages.Bin{{Path: "tool-1/bin"}}})
	if layer(one, "archive tool") == layer(stripped, "archive tool") {
		t.Error("strip changes nothing")
	}
}
