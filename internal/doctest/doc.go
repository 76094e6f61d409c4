// Package doctest runs the documentation. Every page of the tutorial and the
// how-tos is a script: its files are written, its commands are typed, and
// what they print must be what the page shows. It holds tests only.
//
// A page says, in fenced blocks:
//
//	```nix nix2gpu.nix     the file of that name; any language will do
//	```console             "$ command" lines, each followed by what it prints
//	```console in=DIR      the same, in examples/DIR, copied
//	```console online      the same, beside Debian's archive, as nothing else is
//	```console gpu         the same, on a machine with a GPU, as gputest has one
//	```nix nix2gpu.nix image=shop:latest
//	                       the file, and an image of it that docker has; the page's
//	                       commands are typed beside an engine of the test's
//
// A shown line must appear in the output, after the lines shown before it;
// "…" stands for anything, within a line or for whole lines. A command that
// goes on ("nix2gpu up", "logs --follow") runs in the background; a line "^C"
// ends the last of them. Blocks of other languages are only read.
package doctest
