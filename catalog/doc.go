// Package catalog holds the types of services: for each one its options, and
// what each instance generates: processes, files, folders, probes.
//
// [Options] declares services.<type>.<instance> for the module system, and
// [Generate] reads the evaluated options into a project. A type is a value of
// [ServiceType]; each has a file of its own. The package is pure: it reads no
// file, looks at no machine and executes nothing. Whatever depends on where a
// service runs stays a place in a project.Text.
//
// What is wrong with an instance beyond the types of its options is kept
// with the other errors of the evaluation, by Config.Errorf.
package catalog

//go:generate go test . -run "^Test(ServicePages|NixOSOptions)$" -update
