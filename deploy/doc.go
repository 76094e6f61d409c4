// Package deploy writes a project's image as files for other engines: a
// compose.yaml, the objects of Kubernetes, the templates of vast.ai and RunPod.
//
// Each [Platform] is a function from what the project needs of whoever runs it
// to a file. Which platform keeps which need is one table; what a platform does
// not keep comes back as notes with places, so that nothing of a definition is
// dropped in silence. The package is pure.
package deploy

//go:generate go test . -run TestReferenceIsFresh -update
