// Package sbom says what an image consists of, as an SPDX 2.3 document in JSON.
//
// [Document] is pure: the same image gives the same bytes, without a date of the
// build or the name of a mirror. Each package has its version, source, digest,
// purl and layer, and the licences that Debian's copyright file names where that
// can be read by machines. [Artifact] makes of a document what registries keep
// beside an image, and [Read] finds what a document says about packages.
package sbom
