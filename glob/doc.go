// Package glob matches paths with patterns as "**/*_test.go": * and ? stand for characters
// within a name, [a-z] for one of some, {a,b} for one of several texts, and a name ** for
// any number of names, also none. It is pure.
package glob
