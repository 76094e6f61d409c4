// Package definition turns a file that defines containers into a
// project.Project.
//
// [Load] reads one container of a [Ref], whose file is a flake.nix, a module, a set of
// options, bindings without braces, or JSON or YAML of the same options. It evaluates
// the file, checks the options, lets package catalog turn services into processes, and
// reports everything that is wrong at once, as [Errors] with positions. [LoadAll] does
// so for every container of a file, and [Discover] finds the file of a folder.
//
// The package also makes what definitions see as pkgs. Nothing is built or fetched: a
// package is a placeholder that becomes a project.PackagePart.
package definition

//go:generate go test -run "^TestReferenceIsFresh$" . -update
