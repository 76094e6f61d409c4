package gpu

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Xid is an error that NVIDIA's driver has written to the kernel's log.
type Xid struct {
	At   time.Duration // since the machine's boot
	Bus  string        // the card's PCI address, "0000:1b:00"
	Code int
	Text string // the rest of the line
}

var xidLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`NVRM: Xid \((?:PCI:)?([0-9A-Fa-f:.]+)\): (\d+)(?:, (.*))?$`)
})

// ParseXid parses a record of /dev/kmsg: "4,1234,5678901,-;NVRM: Xid (PCI:…): 79, …". It
// reports whether the record is an Xid.
func ParseXid(record string) (Xid, bool) {
	head, text, ok := strings.Cut(record, ";")
	if !ok {
		return Xid{}, false
	}
	text, _, _ = strings.Cut(text, "\n") // the lines that follow are the record's properties
	m := xidLine().FindStringSubmatch(strings.TrimSpace(text))
	parts := strings.Split(head, ",")
	if m == nil || len(parts) < 3 {
		return Xid{}, false
	}
	at, err := strconv.ParseInt(parts[2], 10, 64)
	code, err2 := strconv.Atoi(m[2])
	if err != nil || err2 != nil || at < 0 || at > int64(1<<62)/int64(time.Microsecond) {
		return Xid{}, false
	}
	return Xid{At: time.Duration(at) * time.Microsecond, Bus: strings.ToLower(m[1]), Code: code, Text: m[3]}, true
}

// meanings describes the commonest codes. Numbers and names are from the driver's
// source, src/common/sdk/nvidia/inc/nverror.h of
// github.com/NVIDIA/open-gpu-kernel-modules; the descriptions follow NVIDIA's
// catalogue, docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html.
var meanings = sync.OnceValue(func() map[int]string {
	return map[int]string{
		13:  "a program did something illegal on the GPU",
		31:  "a program accessed memory of the GPU that is not its own",
		32:  "the GPU got a wrong command buffer",
		43:  "the GPU stopped working for a program",
		45:  "the work of a program was removed from the GPU, mostly after another error",
		48:  "the GPU's memory has an error that cannot be corrected" + forTheHost,
		61:  "the GPU's own controller stopped at a breakpoint",
		62:  "the GPU's own controller halted" + forTheHost,
		63:  "a bad page or row of the GPU's memory was put out of use",
		64:  "a bad page or row of the GPU's memory could not be put out of use" + forTheHost,
		74:  "a link between GPUs failed" + forTheHost,
		79:  "the GPU has fallen off the bus: restart the host",
		92:  "the GPU's memory has many errors that were corrected",
		94:  "the GPU's memory had an error that ended the program which used it",
		95:  "the GPU's memory had an error that may have reached other programs" + forTheHost,
		119: "the GPU's system processor does not answer" + forTheHost,
		120: "the GPU's system processor failed" + forTheHost,
	}
})

// forTheHost ends the description of an error that nothing in a container can cure.
const forTheHost = ": whoever runs the host has to look at it"

// String formats the error for people.
func (x Xid) String() string {
	text := meanings()[x.Code]
	if text == "" {
		text = x.Text
	}
	if text == "" {
		text = "see NVIDIA's list of Xid errors"
	}
	return fmt.Sprintf("the driver reported Xid %d of GPU %s: %s", x.Code, x.Bus, text)
}
