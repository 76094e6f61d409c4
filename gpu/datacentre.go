package gpu

import (
	"regexp"
	"strings"
	"sync"
)

// dataCentre are the names of cards for data centres, without maker and family
// name. Those of workstations and players begin with RTX, GeForce, Quadro.
var dataCentre = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(A(2|10[GM]?|16|30|40|100|800)|B\d00|GB(200|300)|GH200|H(20|100|200|800)|K(10|20|40|80)|L(2|4|20|40[SG]?)|M(4|6|10|40|60)|P(4|6|40|100)|T(4G?|40)|V100S?)([- X].*)?$`)
})

// DataCentre reports whether a card is one for data centres: CUDA's
// compatibility packages work with no other.
func (c Card) DataCentre() bool {
	name := strings.TrimPrefix(c.Name, "NVIDIA ")
	return dataCentre().MatchString(strings.TrimPrefix(name, "Tesla "))
}
