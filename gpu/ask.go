package gpu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Program is the driver's program for queries. A container gets it from the host.
const Program = "nvidia-smi"

// Limit is how long nvidia-smi may take to answer. A driver that nobody has open
// initialises each card first, which takes seconds; longer than this, it hangs.
const Limit = 20 * time.Second

// An Ask runs nvidia-smi with arguments and returns what it printed and its exit code.
// The error is that of the context when it was ended at its limit, and an *Error or
// fs.ErrNotExist when there is no such program.
type Ask func(ctx context.Context, args ...string) (out string, code int, err error)

// folders are where GKE and WSL put the program, outside of PATH.
var folders = [...]string{"/usr/local/nvidia/bin", "/usr/lib/wsl/lib"}

// Find looks for nvidia-smi in the folders of path, a PATH, and then where runtimes put
// it. root is put before the latter.
func Find(root, path string) (string, bool) {
	dirs := filepath.SplitList(path)
	for _, dir := range append(dirs, folders[:]...) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if info, err := os.Stat(filepath.Join("/", root, dir, Program)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, Program), true
		}
	}
	return "", false
}

// WSLDevice is WSL's device node. There is one for all cards.
const WSLDevice = "/dev/dxg"

// Devices lists the device nodes of cards, or WSL's.
func Devices(root string) []string {
	var found []string
	for _, pattern := range []string{"/dev/nvidia[0-9]*", WSLDevice} {
		nodes, _ := filepath.Glob(filepath.Join("/", root, pattern)) // the patterns are well-formed
		for _, node := range nodes {
			found = append(found, "/dev/"+filepath.Base(node))
		}
	}
	slices.Sort(found)
	return found
}

// A Kind is a reason why nothing is known about GPUs, or why they don't suffice.
type Kind int

// The kinds of errors.
const (
	Missing    Kind = iota + 1 // there is no nvidia-smi
	None                       // nvidia-smi finds no device
	Mismatch                   // the libraries are of another version than the running driver
	NoDriver                   // the driver does not run
	NoLibrary                  // nvidia-smi does not find the driver's library
	TakenAway                  // the container has lost its right to the devices
	Refused                    // we have no right to use the devices
	Fallen                     // a card has fallen off the bus
	Hangs                      // nvidia-smi does not answer
	Unreadable                 // nvidia-smi answers in a form that we don't know
	Failed                     // anything else
)

// An Error says why GPUs can't be used, and the cure.
type Error struct {
	Kind Kind
	Msg  string
	Hint string
}

func (e *Error) Error() string { return e.Msg }

// The message where there is no GPU, and the flag that gives a container one.
const (
	noGPU   = "no GPU here"
	lendAll = "run with --gpus all"
)

// Absent returns the error for a machine, or a container, without nvidia-smi.
func Absent(container bool) *Error {
	if container {
		return &Error{Missing, noGPU, lendAll}
	}
	return &Error{Missing, noGPU + ": " + Program + " is not installed", "install NVIDIA's driver"}
}

// InLine returns the error and its cure in one line: "no GPU here: run with --gpus
// all".
func (e *Error) InLine() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + ": " + e.Hint
}

// ask calls a within [Limit], and makes an *Error of any exit code but 0.
func ask(ctx context.Context, a Ask, args ...string) (string, error) {
	if a == nil {
		return "", Absent(false)
	}
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	out, code, err := a(limited, args...)
	var known *Error
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return "", &Error{Hangs, fmt.Sprintf("%s does not answer within %v: the driver hangs", Program, Limit), "look for Xid in the host's kernel log, and restart the host"}
	case errors.Is(err, fs.ErrNotExist):
		return "", Absent(false)
	case err != nil && errors.As(err, &known):
		return "", known
	case err != nil:
		return "", &Error{Failed, fmt.Sprintf("%s cannot be asked: %v", Program, err), ""}
	case code != 0:
		return "", failure(out, code)
	}
	return out, nil
}

// failures maps what nvidia-smi prints to kinds. The first that matches counts.
var failures = [...]struct {
	text string
	kind Kind
	msg  string
	hint string
}{
	{"No devices were found", None, noGPU, lendAll},
	{"Driver/library version mismatch", Mismatch, "the driver's libraries are of another version than the driver that runs", "restart the host, whose driver was upgraded, then the container"},
	{"couldn't communicate with the NVIDIA driver", NoDriver, "the NVIDIA driver does not run", "load it on the host: modprobe nvidia"},
	{"couldn't find libnvidia-ml", NoLibrary, Program + " does not find the driver's library libnvidia-ml.so.1", "add utility to NVIDIA_DRIVER_CAPABILITIES: compute,utility"},
	{"Insufficient Permissions", Refused, "the GPUs may not be used by this user", "give it /dev/nvidia*, or run as root"},
	{"Unknown Error", TakenAway, "the GPUs were taken away from this container", "restart the container; a reload of the host's systemd takes them away where docker uses it for cgroups"},
	{"is lost", Fallen, "a GPU has fallen off the bus", "restart the host"},
}

func failure(out string, code int) *Error {
	for _, f := range failures {
		if strings.Contains(out, f.text) {
			return &Error{f.kind, f.msg, f.hint}
		}
	}
	said := strings.Join(strings.Fields(out), " ")
	if len(said) > 200 {
		said = said[:200] + "…"
	}
	if said != "" {
		said = ": " + said
	}
	return &Error{Failed, fmt.Sprintf("%s failed with exit code %d%s", Program, code, said), ""}
}
