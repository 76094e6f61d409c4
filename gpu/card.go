package gpu

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Card is one GPU. Sizes are in bytes, -1 if the driver does not tell.
type Card struct {
	Index  int    `json:"index"` // nvidia-smi's number
	UUID   string `json:"uuid"`
	Name   string `json:"name"`
	Bus    string `json:"bus,omitempty"`
	Driver string `json:"driver,omitempty"` // the driver's version
	// Capability is CUDA's compute capability, "9.0"; "" with an old driver.
	Capability string `json:"capability,omitempty"`
	Memory     int64  `json:"memory"`
	Used       int64  `json:"used"`
	Free       int64  `json:"free"`
	MIG        bool   `json:"mig,omitempty"` // it is divided into parts
	Parts      []Part `json:"parts,omitempty"`
}

// A Part is a part of a card, made by MIG (Multi-Instance GPU).
type Part struct {
	Profile string `json:"profile"` // "1g.10gb"
	UUID    string `json:"uuid"`
}

// String returns "GPU 0 (NVIDIA H100)".
func (c Card) String() string { return fmt.Sprintf("GPU %d (%s)", c.Index, c.Name) }

const mib = 1 << 20

// csv is the format of all queries.
const csv = "--format=csv,noheader,nounits"

// fields are the fields that are queried, by nvidia-smi's names. The name is the last,
// because only it may hold a comma. The optional ones are left out if an old driver
// does not know them.
var fields = []string{"index", "uuid", "memory.total", "memory.used", "memory.free", "pci.bus_id", "driver_version", "mig.mode.current", "compute_cap", "name"}

var needed = []string{"index", "uuid", "memory.total", "memory.used", "name"}

var noField = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`Field "([a-z_.]+)" is not a valid field`) })

// Cards asks for the GPUs. The error is an *Error, or that of ctx.
func Cards(ctx context.Context, a Ask) ([]Card, error) {
	if a == nil {
		return nil, Absent(false)
	}
	asked := fields
	var out string
	for {
		var code int
		var err error
		// The exit code is handled here: 2 means that it does not know a field.
		out, err = ask(ctx, func(ctx context.Context, args ...string) (string, int, error) {
			out, c, err := a(ctx, args...)
			code = c
			if err == nil && c == 2 && noField().MatchString(out) {
				return out, 0, nil
			}
			return out, c, err
		}, "--query-gpu="+strings.Join(asked, ","), csv)
		if err != nil {
			return nil, err
		}
		if code == 0 {
			break
		}
		unknown := noField().FindStringSubmatch(out)[1]
		if !slices.Contains(asked, unknown) || slices.Contains(needed, unknown) {
			return nil, &Error{Unreadable, fmt.Sprintf("%s of this driver does not know the field %q", Program, unknown), "upgrade the host's driver"}
		}
		asked = slices.DeleteFunc(slices.Clone(asked), func(f string) bool { return f == unknown })
	}
	cards, err := parseCards(asked, out)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(cards, func(c Card) bool { return c.MIG }) {
		list, err := ask(ctx, a, "-L")
		if err != nil {
			return nil, err
		}
		addParts(cards, list)
	}
	return cards, nil
}

func parseCards(asked []string, out string) ([]Card, error) {
	var cards []Card
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		values := strings.SplitN(line, ",", len(asked))
		if len(values) != len(asked) {
			return nil, unreadable(line)
		}
		c := Card{Memory: -1, Used: -1, Free: -1}
		for i, value := range values {
			value = strings.TrimSpace(value)
			if strings.HasPrefix(value, "[") { // "[N/A]", "[Not Supported]", "[Insufficient Permissions]"
				continue
			}
			var err error
			switch asked[i] {
			case "index":
				c.Index, err = strconv.Atoi(value)
			case "uuid":
				c.UUID = value
			case "memory.total":
				c.Memory, err = size(value)
			case "memory.used":
				c.Used, err = size(value)
			case "memory.free":
				c.Free, err = size(value)
			case "pci.bus_id":
				c.Bus = value
			case "driver_version":
				c.Driver = value
			case "mig.mode.current":
				c.MIG = value == "Enabled"
			case "compute_cap":
				c.Capability = value
			case "name":
				c.Name = value
			}
			if err != nil {
				return nil, unreadable(line)
			}
		}
		if c.UUID == "" {
			return nil, unreadable(line)
		}
		if c.Free < 0 && c.Memory >= 0 && c.Used >= 0 {
			c.Free = c.Memory - c.Used
		}
		cards = append(cards, c)
	}
	if len(cards) == 0 {
		return nil, failure("No devices were found", 0)
	}
	return cards, nil
}

func unreadable(line string) *Error {
	return &Error{Unreadable, fmt.Sprintf("%s answers %q, which cannot be read", Program, line), "report it, with the version of the driver"}
}

// size parses a number of MiB, and returns bytes.
func size(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 40)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n * mib, err
}

var (
	cardLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^GPU (\d+): .*\(UUID: (GPU-[^)]+)\)$`) })
	partLine = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)$`)
	})
)

// addParts adds the parts of cards, from the output of nvidia-smi -L.
func addParts(cards []Card, list string) {
	var of *Card
	for line := range strings.Lines(list) {
		line = strings.TrimRight(line, "\r\n ")
		if m := cardLine().FindStringSubmatch(line); m != nil {
			of = nil
			if i := slices.IndexFunc(cards, func(c Card) bool { return c.UUID == m[2] }); i >= 0 {
				of = &cards[i]
			}
		} else if m := partLine().FindStringSubmatch(line); m != nil && of != nil {
			of.Parts = append(of.Parts, Part{m[1], m[2]})
		}
	}
}

// Others are programs that hold memory and whose process has no known owner.
type Others struct {
	Programs int
	Used     int64 // bytes, as far as the driver tells
}

// Share sums up how much memory, in bytes, each owner of processes holds of which
// card: used[name][UUID].
func Share(apps []App, owner func(pid int) (name string, ok bool)) (used map[string]map[string]int64, others Others) {
	used = map[string]map[string]int64{}
	strangers := map[int]bool{}
	for _, a := range apps {
		name, ok := owner(a.PID)
		if !ok {
			strangers[a.PID] = true
			others.Used += max(a.Used, 0)
			continue
		}
		if used[name] == nil {
			used[name] = map[string]int64{}
		}
		used[name][a.Card] += max(a.Used, 0)
	}
	others.Programs = len(strangers)
	return used, others
}

// An App is a program that holds memory of a GPU.
type App struct {
	PID  int    // the host's pid, even if we have a namespace of our own
	Card string // the card's UUID
	Used int64  // bytes; -1 if the driver does not tell
}

// Apps asks which programs hold memory. The error is an *Error, or that of ctx.
func Apps(ctx context.Context, a Ask) ([]App, error) {
	out, err := ask(ctx, a, "--query-compute-apps=pid,gpu_uuid,used_gpu_memory", csv)
	var e *Error
	if errors.As(err, &e) && e.Kind == None {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var apps []App
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "No running") {
			continue
		}
		values := strings.Split(line, ",")
		if len(values) != 3 {
			return nil, unreadable(line)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(values[0]))
		if err != nil || pid < 0 {
			return nil, unreadable(line)
		}
		app := App{PID: pid, Card: strings.TrimSpace(values[1]), Used: -1}
		if used := strings.TrimSpace(values[2]); !strings.HasPrefix(used, "[") {
			if app.Used, err = size(used); err != nil {
				return nil, unreadable(line)
			}
		}
		apps = append(apps, app)
	}
	return apps, nil
}
