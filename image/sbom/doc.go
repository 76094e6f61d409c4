// Package sbom describes what an image consists of, as an SPDX 2.3 document in
// JSON.
//
// [Document] is pure: the same image gives the same bytes, with no date of the
// build and no name of a mirror. Each package has its version, source, digest,
// purl and layer, and the licences in its copyright file if that is
// machine-readable. [Artifact] wraps a document for a registry, and [Read] parses
// one.
package sbom
