// Package source opens images where they lie as files: an OCI layout folder, an
// archive of one, or what "docker save" writes.
//
// A [Source] is one image, or an index of one image per platform, with the
// artifacts that refer to them (SBOMs). Blobs stay where they are and are read
// when asked for; manifests and configs are read and checked at once. Images in
// registries come from package registry, which makes the same type.
package source
