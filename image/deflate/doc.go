// Package deflate compresses to gzip, smaller than encoders that are made for speed, in
// several times their time. Any program can read the result.
//
// For each segment of the input it finds all matches, and then the cheapest sequence of
// literals and matches, given what their codes cost. It splits that into blocks, and
// repeats the search in each block with the costs that the first search has shown. Costs
// are integers, so the same input gives the same bytes on every machine.
package deflate
