package gpu

import (
	"fmt"
	"strings"
)

// slack is by how much the memory in use may differ from what it was before,
// and yet all of a program's is free: the driver keeps some of its own.
const slack = 64 * mib

// A Before is how the cards of a service were before its last start.
type Before map[string]int64 // memory in use, by UUID; not there: others have used the card since

// Busy says what still holds memory of a service that was stopped; "" when all
// of it is free. Needed is what must be free on each of its cards, 0 when that
// is not known; dead are those who hold memory and do not live any more.
func Busy(cards []Card, before Before, needed int64, dead []App) string {
	var held []string
	for _, c := range cards {
		if c.Used < 0 {
			continue
		}
		was, known := before[c.UUID]
		var gone int64
		for _, a := range dead {
			if a.Card == c.UUID && a.Used > 0 {
				gone += a.Used
			}
		}
		switch {
		case known && c.Used > was+slack:
			held = append(held, fmt.Sprintf("%s has %s in use, %s more than before", c, Bytes(c.Used), Bytes(c.Used-was)))
		case needed > 0 && c.Free >= 0 && c.Free < needed:
			held = append(held, fmt.Sprintf("%s has %s free of the %s that it needs", c, Bytes(c.Free), Bytes(needed)))
		case gone > 0:
			held = append(held, fmt.Sprintf("%s has %s in use by programs that have ended", c, Bytes(gone)))
		}
	}
	return strings.Join(held, "; ")
}
