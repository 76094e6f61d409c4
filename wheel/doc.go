// Package wheel knows Python's rules for packages that are ready to install:
// names, versions, requirements with markers, tags of platforms, and the files
// that say them.
//
// [Parse] reads a requirements file, [Choose] picks the wheel that pip would for
// a [Target], and [Requirement] is the shape of what a wheel needs. All of it is
// pure: package wheel/archive reads wheels, and wheel/index gets them.
package wheel
