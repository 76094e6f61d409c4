// Package inspect finds out what an image holds, and what differs between two.
//
// [Reader.Read] collects the facts of an image: layers, configuration, packages
// and, on request, files. It reads a layer once, however many images have it.
// [Diff] compares the facts of two images. [Image.Write] and [Difference.Write]
// print them for people.
package inspect
