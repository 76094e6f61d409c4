// Package lock keeps nix2gpu.lock: which exact packages the containers of a
// definition consist of, so that the same image can be built in a year.
//
// [Ensure] does all of it: it reads the file, resolves what that lacks while every
// locked version is held, and writes the file if it has changed. No index is read
// as long as the file has all that is wanted. The file has digests and paths, but
// no names of hosts. Package debian/repo downloads indexes and packages.
package lock
