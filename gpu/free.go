package gpu

import (
	"fmt"
	"strings"
)

// slack is by how much the memory in use may differ from what it was before,
// and yet all of a program's is free: the driver keeps some of its own.
const slack = 64 * mib

// A Before is how the cards of a service were before its last start: memory in
// use, by UUID. A card that others have used since is not in it.
type Before map[string]int64

// Busy says what still holds memory of a service that was stopped; "" when all
// of it is free, or when nothing can be known of it.
func Busy(cards []Card, before Before) string {
	var held []string
	for _, c := range cards {
		if was, known := before[c.UUID]; known && c.Used > was+slack {
			held = append(held, fmt.Sprintf("%s has %s in use, %s more than before", c, Bytes(c.Used), Bytes(c.Used-was)))
		}
	}
	return strings.Join(held, "; ")
}
