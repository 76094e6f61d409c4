package gpu

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nix2gpu/project"
)

// A device is what a program sees as a GPU: a card, or a part of one.
type device struct {
	card   *Card
	part   *Part
	memory int64 // bytes; -1 if not known
}

func (d device) String() string {
	if d.part != nil {
		return "MIG " + d.part.Profile + " of " + d.card.String()
	}
	return d.card.String()
}

func devices(cards []Card) []device {
	var all []device
	for i := range cards {
		c := &cards[i]
		if len(c.Parts) == 0 {
			all = append(all, device{c, nil, c.Memory})
			continue
		}
		for j := range c.Parts {
			all = append(all, device{c, &c.Parts[j], partMemory(c.Parts[j].Profile)})
		}
	}
	return all
}

var profileMemory = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\.(\d+)gb`) })

// partMemory returns the size in a profile's name, such as "3g.40gb", "1c.3g.20gb" or
// "1g.10gb+me". nvidia-smi has no query for the memory of a part; the name tells it in
// whole GB (docs.nvidia.com/datacenter/tesla/mig-user-guide, "device names").
func partMemory(profile string) int64 {
	m := profileMemory().FindStringSubmatch(profile)
	if m == nil {
		return -1
	}
	n, err := strconv.ParseInt(m[1], 10, 20)
	if err != nil {
		return -1
	}
	return n << 30
}

// Pick returns the cards that a service with this need uses: all, the first ones, or
// those that it names.
func Pick(need *project.GPUs, cards []Card) []Card {
	switch {
	case need == nil:
		return nil
	case need.Count > 0:
		return cards[:min(need.Count, len(cards))]
	case len(need.Devices) > 0:
		return slices.DeleteFunc(slices.Clone(cards), func(c Card) bool {
			return !slices.ContainsFunc(need.Devices, func(d string) bool {
				return named(c, d) || slices.ContainsFunc(c.Parts, func(p Part) bool { return p.UUID == d })
			})
		})
	}
	return cards
}

// Lack returns what a machine with these cards lacks for the need; nil if nothing.
func Lack(need *project.GPUs, cards []Card) *Error {
	all := devices(cards)
	var chosen []device
	switch {
	case need.Count > 0:
		if len(all) < need.Count {
			return &Error{None, fmt.Sprintf("needs %s, and there %s", gpus(need.Count), are(len(all))), lendAll + ", or on a machine that has them"}
		}
		chosen = all[:need.Count] // the service sees only these
	case len(need.Devices) > 0:
		for _, name := range need.Devices {
			i := slices.IndexFunc(all, func(d device) bool {
				if d.part != nil && strings.HasPrefix(name, "MIG-") {
					return d.part.UUID == name
				}
				return named(*d.card, name)
			})
			if i < 0 {
				return &Error{None, fmt.Sprintf("needs GPU %s, and here %s", name, list(all)), lendAll + ", or name one that is here"}
			}
			chosen = append(chosen, all[i])
		}
	default:
		if len(all) == 0 {
			return &Error{None, "needs a GPU, and there is none", lendAll}
		}
		chosen = all
	}
	for _, d := range chosen {
		if need.Memory > 0 && d.memory >= 0 && d.memory < need.Memory {
			return &Error{None, fmt.Sprintf("needs %s of a GPU, and %s has %s", Bytes(need.Memory), d, Bytes(d.memory)), "use a larger GPU, or ask for less"}
		}
	}
	return nil
}

func gpus(n int) string {
	if n == 1 {
		return "a GPU"
	}
	return fmt.Sprintf("%d GPUs", n)
}

func are(n int) string {
	switch n {
	case 0:
		return "is none"
	case 1:
		return "is one"
	}
	return fmt.Sprintf("are %d", n)
}

// list formats devices for a message.
func list(all []device) string {
	if len(all) == 0 {
		return "is none"
	}
	var names []string
	for _, d := range all {
		names = append(names, d.String())
	}
	if len(names) == 1 {
		return "is " + names[0]
	}
	return "are " + strings.Join(names, ", ")
}

// Bytes formats a size of memory: "512 MiB", "79.6 GiB".
func Bytes(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%d MiB", n/mib)
	}
	return strings.TrimSuffix(strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64), ".0") + " GiB"
}
