// Package spelling finds the word that was meant. Every "did you mean" of the program
// counts typing errors in the same way: a letter too many, one too few, a wrong one, or
// two that changed places.
//
// It is pure and knows no words of its own.
package spelling
