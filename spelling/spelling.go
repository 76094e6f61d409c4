package spelling

import "strings"

// Distance returns how many letters have to be inserted, dropped, replaced or swapped
// with their neighbour to turn a into b (the optimal string alignment distance). It
// counts bytes: the names here are ASCII.
func Distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

// Limit returns how many typing errors a word may have and still be taken for another:
// one in three letters, at least one and at most three.
func Limit(word string) int { return max(1, min(len(word)/3, 3)) }

// Nearest returns the known word that was most likely meant, the first of several, or
// "". Case does not count, and a word that only one known word begins with stands for
// it.
func Nearest(word string, known []string) string {
	best, limit := "", Limit(word)+1
	low := strings.ToLower(word)
	for _, k := range known {
		if len(k)-len(word) >= limit || len(word)-len(k) >= limit {
			continue // the lengths alone differ too much
		}
		if d := Distance(low, strings.ToLower(k)); d < limit && !far(low, strings.ToLower(k)) {
			best, limit = k, d
		}
	}
	if best == "" && len(word) > 2 {
		if begun := Begun(word, known); len(begun) == 1 {
			return begun[0]
		}
	}
	return best
}

// Near reports whether word is likely a misspelling of the known one.
func Near(word, known string) bool {
	a, b := strings.ToLower(word), strings.ToLower(known)
	return Distance(a, b) <= Limit(word) && !far(a, b)
}

// far reports whether two words are too different for their length, if one of them is
// short: any letter is one change away from any other, and of two letters one is half
// the word.
func far(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	switch len(a) {
	case 0, 1:
		return a != b
	case 2:
		swapped := len(b) == 2 && a[0] == b[1] && a[1] == b[0]
		return a != b && !swapped && len(b) != 3
	}
	return false
}

// Begun returns the known words that begin with word, which must have two letters or
// more: people type the beginning and expect the rest to be understood.
func Begun(word string, known []string) (words []string) {
	for _, k := range known {
		if len(word) >= 2 && strings.HasPrefix(strings.ToLower(k), strings.ToLower(word)) {
			words = append(words, k)
		}
	}
	return words
}
