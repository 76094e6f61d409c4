// Package inspect tells what an image holds, and what differs between two.
//
// [Read] gathers the facts of an image: layers, configuration, packages, and
// files where they are asked for. [Diff] compares two sets of facts, and
// [Image.Write] and [Difference.Write] print them for people: all three are
// pure. A [Reader] reads a layer once, however many images have it.
package inspect
