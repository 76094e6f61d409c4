// Package lock keeps nix2gpu.lock: which exact packages the containers of a
// definition consist of, so that the same image can be built in a year.
//
// [Ensure] is the whole of it: it reads the file, resolves what the file lacks
// with every locked version held, and writes what changed. While the file has
// all that is wanted no index is read. The file names digests and paths, and no
// host. How indexes and packages are got is package debian/repo's affair.
package lock
