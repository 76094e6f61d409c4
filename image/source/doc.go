// Package source opens images that are files: an OCI layout folder, an archive of
// one, or what "docker save" writes.
//
// A [Source] is an image, or an index with an image for each platform, and the
// artifacts that refer to them (SBOMs). Manifests and configs are read and checked
// at once; other blobs are read on demand. Package registry makes the same type of
// images in registries.
package source
