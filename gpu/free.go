package gpu

import (
	"fmt"
	"strings"
)

// slack is how much more memory may be in use than before, in bytes, although a
// program has freed all of its own: the driver keeps some for itself.
const slack = 64 * mib

// A Before holds, by the card's UUID, the bytes in use on the cards of a service before
// its last start. Cards that others have used since are not in it.
type Before map[string]int64

// Busy describes memory that a stopped service still holds; "" if all of it is free,
// or if that is not known.
func Busy(cards []Card, before Before) string {
	var held []string
	for _, c := range cards {
		if was, known := before[c.UUID]; known && c.Used > was+slack {
			held = append(held, fmt.Sprintf("%s has %s in use, %s more than before", c, Bytes(c.Used), Bytes(c.Used-was)))
		}
	}
	return strings.Join(held, "; ")
}
