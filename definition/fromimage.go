package definition

import (
	"strings"

	"nix2gpu/project"
)

// fromImage sets the base of the container's image. Only its registry knows what it is.
func (b *builder) fromImage(out *project.Container) {
	ref := b.String("fromImage")
	if ref == "" {
		return
	}
	name, digest, pinned := strings.Cut(ref, "@")
	hex, isDigest := strings.CutPrefix(digest, "sha256:")
	if name == "" || strings.ContainsAny(ref, " \t\n") || pinned && (!isDigest || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "") {
		b.Get("fromImage").Errorf("fromImage must be the name of an image with its digest, such as \"ubuntu:24.04@sha256:…\", not %q", ref)
		return
	}
	if !pinned {
		b.note("fromImage", "fromImage has no digest, and what a tag names may change: build refuses it, and says which digest to write")
	}
	out.FromImage, out.FromImagePos = ref, b.projectPos(b.Pos("fromImage"))
}
