package module

import (
	"fmt"
	"sort"
	"strings"

	"nix2gpu/spelling"
)

// didYouMean returns a hint at the names that resemble name, or "".
func didYouMean(name string, known []string) string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	for _, k := range known {
		d := spelling.Distance(strings.ToLower(name), strings.ToLower(k))
		if spelling.Near(name, k) {
			near = append(near, candidate{k, d})
		} else if shorter := min(len(name), len(k)); shorter >= 4 && (strings.HasPrefix(k, name) || strings.HasPrefix(name, k)) {
			near = append(near, candidate{k, 4})
		}
	}
	order := func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	}
	sort.SliceStable(near, func(i, j int) bool { return order(near[i], near[j]) < 0 })
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
