package gpu

import (
	"regexp"
	"strings"
	"sync"
)

// dataCentre matches the names of cards for data centres, without maker and family:
// those in that column of developer.nvidia.com/cuda-gpus and of its page of older
// cards, and their variants for a cloud or a country, which have the same chip and
// driver (A10G, T4G, A800, H20, …). Of cards with RTX in their names only the server
// editions are among them.
var dataCentre = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^((A(2|10[GM]?|16|30|40|100|800)|B\d00|GB(200|300)|GH200|H(20|100|200|800)|K(10|20|40|80)|L(2|4|20|40[SG]?)|M(4|6|10|40|60)|P(4|6|40|100)|T(4G?|40)|V100S?)([- X].*)?|RTX PRO \d+ Blackwell Server Edition)$`)
})

// DataCentre reports whether a card is one for data centres. CUDA's compatibility
// packages work on those only (docs.nvidia.com/deploy/cuda-compatibility, "forward
// compatibility"), and on some certified RTX cards that can't be told by name.
func (c Card) DataCentre() bool {
	name := strings.TrimPrefix(c.Name, "NVIDIA ")
	return dataCentre().MatchString(strings.TrimPrefix(name, "Tesla "))
}
