package gpu

import (
	"slices"
	"strconv"
	"strings"
)

// VisibleVar is the variable that tells NVIDIA's runtimes which GPUs a container gets.
const VisibleVar = "NVIDIA_VISIBLE_DEVICES"

// A Selection is a parsed value of NVIDIA_VISIBLE_DEVICES. Exactly one of its fields is set.
type Selection struct {
	// Nothing: unset, empty or "void". CDI sets "void" and adds devices by other
	// means, so devices that are there are meant to be.
	Nothing bool
	None    bool     // "none": the driver's programs, but no GPU
	All     bool     // "all"
	Devices []string // numbers, or UUIDs of GPUs or parts
}

// ParseVisible parses a value of NVIDIA_VISIBLE_DEVICES.
func ParseVisible(value string) Selection {
	switch value = strings.TrimSpace(value); value {
	case "", "void":
		return Selection{Nothing: true}
	case "none":
		return Selection{None: true}
	case "all":
		return Selection{All: true}
	}
	var devices []string
	for d := range strings.SplitSeq(value, ",") {
		if d = strings.TrimSpace(d); d != "" {
			devices = append(devices, d)
		}
	}
	if devices == nil {
		return Selection{Nothing: true}
	}
	return Selection{Devices: devices}
}

// Visible returns the value of CUDA_VISIBLE_DEVICES that fulfils the selection on a machine
// that shows these cards; "" if they are those that were asked for. A runtime that fulfils
// it shows no other cards, and numbers these from 0.
func (s Selection) Visible(cards []Card) string {
	if s.None {
		return "-1"
	}
	if len(s.Devices) == 0 {
		return ""
	}
	var uuids []string
	for _, d := range s.Devices {
		for _, c := range cards {
			if strings.HasPrefix(d, "MIG-") {
				if slices.ContainsFunc(c.Parts, func(p Part) bool { return p.UUID == d }) {
					uuids = append(uuids, d)
				}
				continue
			}
			if named(c, d) {
				uuids = append(uuids, c.UUID)
			}
		}
	}
	seen := 0
	for _, c := range cards {
		seen += max(1, len(c.Parts))
	}
	if seen <= len(s.Devices) || len(uuids) == 0 {
		return "" // there are no more than were asked for
	}
	return strings.Join(uuids, ",")
}

// named reports whether device means the card c: by its number, or by the beginning of
// its UUID.
func named(c Card, device string) bool {
	if n, err := strconv.Atoi(device); err == nil {
		return c.Index == n
	}
	return strings.HasPrefix(device, "GPU-") && len(device) > len("GPU-") && strings.HasPrefix(c.UUID, device)
}
