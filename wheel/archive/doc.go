// Package archive reads a wheel, and says what installing it puts where.
//
// [Open] looks at a wheel as a whole before anything of it is believed: names
// that lead out, links, bombs, a RECORD that does not fit, the metadata of
// another project are an error that names the file. [Wheel.Install] lists the
// paths as pip would make them on Debian, without running
// anything; content is checked against RECORD as it is read.
//
// It writes nothing, and knows nothing of indexes, locks and images.
package archive
