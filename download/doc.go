// Package download gets files over HTTP: with patience for a bad network, and
// none for a dead one.
//
// A [Client] asks again where an error may pass, goes on where a transfer ended,
// and puts a file in its place in the cache only when it has the digest that was
// asked for. Of several programs that want one file one downloads, and the others
// wait for it. What a file means, and where it is to be had, is its callers' affair.
package download
