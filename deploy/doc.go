// Package deploy writes a project's image as files for other engines: so far a
// compose.yaml.
//
// It is pure. What such a file can't say comes back as notes with places, so that
// nothing of a definition is dropped in silence.
package deploy
