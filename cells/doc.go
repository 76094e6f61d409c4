// Package cells tells how much room a text takes on a terminal, where a letter of Chinese,
// Japanese or Korean, and most pictures, are as wide as two others, and a mark above or
// below a letter takes none. It is pure.
package cells
