// Package archive reads a wheel, and tells which files installing it makes.
//
// [Open] checks the whole wheel before anything in it is trusted: names that lead out,
// links, decompression bombs, a RECORD that does not match, and the metadata of another
// project are errors that name the file. [Wheel.Install] lists the files that pip would
// make on Debian. It runs nothing, and content is verified against RECORD as it is
// read.
//
// It writes nothing, and knows nothing of indexes, locks and images.
package archive
