// Package spelling finds the word that was meant. Every "did you mean" of the
// program counts slips of the hand in the same way: a letter too many, too
// few, wrong, or two that changed places.
//
// It is pure and knows no words of its own; both wings of the program use it.
package spelling
