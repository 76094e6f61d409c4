package module

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean suggests names that resemble name; "" when none does.
func didYouMean(name string, known []string) string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if d <= max(1, min(len(name)/3, 3)) {
			near = append(near, candidate{k, d})
		} else if shorter := min(len(name), len(k)); shorter >= 4 && (strings.HasPrefix(k, name) || strings.HasPrefix(name, k)) {
			near = append(near, candidate{k, 4})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	if len(near) == 0 {
		return ""
	}
	names := make([]string, 0, 3)
	for _, c := range near[:min(3, len(near))] {
		if c.distance <= near[0].distance+1 {
			names = append(names, fmt.Sprintf("%q", c.name))
		}
	}
	return "did you mean " + strings.Join(names, " or ") + "?"
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
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
