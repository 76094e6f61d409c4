// Package template expands texts in Go's template language over values of YAML: strings,
// integers, booleans, lists and maps.
//
// The standard library parses them, but they are evaluated here. text/template looks up
// methods by names that are only known when it runs, so for its sake the linker would keep
// all exported methods of all types: an eighth of this program, and a part of each start.
// Values of YAML have no methods. Tests compare the results with the library's.
//
// The package is pure.
package template
