// Package wheel knows Python's rules for packages that are ready to install: names,
// versions, requirements with markers, platform tags, and the files of metadata.
//
// [Parse] parses a requirements file, [Choose] chooses the wheel that pip would for a
// [Target], and a [Requirement] is what a file or a wheel requires. All of it is pure:
// package wheel/archive reads wheels, and wheel/index downloads them.
package wheel
