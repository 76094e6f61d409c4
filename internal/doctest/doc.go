// Package doctest runs the documentation. Every page of the tutorial and the how-tos is
// a script: its files are written, its commands are run, and they must print what the
// page shows. It holds tests only.
//
// A fenced block begins with one of these lines:
//
//	```nix nix2gpu.nix     the file of that name; any language will do
//	```console             "$ command" lines, each followed by what it prints
//	```console in=DIR      the same, in a copy of examples/DIR
//	```console online      the same, with Debian's archive
//	```console gpu         the same, on a machine with a GPU (package gputest)
//	```nix nix2gpu.nix image=shop:latest
//	                       the file, and an image of it that docker has; the page's
//	                       commands run beside an engine of the test's own
//
// A shown line must appear in the output, after the lines shown before it; "…" stands
// for anything, within a line or for whole lines. A command that goes on ("nix2gpu up",
// "logs --follow") runs in the background; a line "^C" ends the last of them. Blocks of
// other languages are only parsed.
package doctest
