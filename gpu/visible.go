package gpu

import (
	"slices"
	"strconv"
	"strings"
)

// VisibleVar is the variable by which NVIDIA's runtimes are told which GPUs a
// container is to get.
const VisibleVar = "NVIDIA_VISIBLE_DEVICES"

// A Wish is what a value of NVIDIA_VISIBLE_DEVICES asks for. Exactly one of its
// fields is set.
type Wish struct {
	// Nothing: unset, empty or "void". CDI sets "void" too, and lends devices by
	// itself, so what is there then is meant to be.
	Nothing bool
	None    bool     // "none": the driver's programs, and no GPU
	All     bool     // "all"
	Devices []string // numbers, UUIDs of GPUs or of parts
}

// ParseVisible reads a value of NVIDIA_VISIBLE_DEVICES.
func ParseVisible(value string) Wish {
	switch value = strings.TrimSpace(value); value {
	case "", "void":
		return Wish{Nothing: true}
	case "none":
		return Wish{None: true}
	case "all":
		return Wish{All: true}
	}
	var devices []string
	for d := range strings.SplitSeq(value, ",") {
		if d = strings.TrimSpace(d); d != "" {
			devices = append(devices, d)
		}
	}
	if devices == nil {
		return Wish{Nothing: true}
	}
	return Wish{Devices: devices}
}

// Visible is the value of CUDA_VISIBLE_DEVICES that keeps to the wish on a
// machine that shows these cards; "" when they are what was wished for. A
// runtime that keeps to it itself shows no others, and counts those from 0.
func (w Wish) Visible(cards []Card) string {
	if w.None {
		return "-1"
	}
	if len(w.Devices) == 0 {
		return ""
	}
	var uuids []string
	for _, d := range w.Devices {
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
	if seen <= len(w.Devices) || len(uuids) == 0 {
		return "" // not more than was asked for
	}
	return strings.Join(uuids, ",")
}

// named reports whether a device is a card: by its number, or the begin of its UUID.
func named(c Card, device string) bool {
	if n, err := strconv.Atoi(device); err == nil {
		return c.Index == n
	}
	return strings.HasPrefix(device, "GPU-") && len(device) > len("GPU-") && strings.HasPrefix(c.UUID, device)
}
