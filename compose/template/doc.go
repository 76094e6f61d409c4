// Package template expands texts in Go's language of templates over what a YAML
// file can hold: strings, integers, booleans, lists and maps.
//
// The library's parser parses them; they are evaluated here, because
// text/template finds methods by names that are known only when it runs. With it
// in a program the linker keeps each exported method of every type, which for
// this program is an eighth of its size, and a part of each start. Values of YAML
// have no methods. Tests compare with the library.
//
// Pure.
package template
