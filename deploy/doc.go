// Package deploy writes a project's image as files for other engines: a
// compose.yaml, the objects of Kubernetes, the templates of vast.ai and RunPod.
//
// For each [Platform] a function makes a file from what the project needs of its
// surroundings. A table says which platform fulfils which need. What it does not
// fulfil is returned as notes with positions, so that nothing of a definition is
// dropped in silence. The package is pure.
package deploy

//go:generate go test . -run TestReferenceIsFresh -update
