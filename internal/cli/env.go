package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"nix2gpu/container"
)

// Env is all that a command knows of the process that it runs in. Nothing below
// [Main] reads the process's own arguments, environment or standard streams.
type Env struct {
	Args    []string // Args[0] decides whether we are nix2gpu or process-compose
	Environ []string // "NAME=value"
	Dir     string   // the current folder, absolute
	UID     int
	Self    string // path by which this program can be executed again

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	StdinTTY       bool
	StdoutTTY      bool
	StderrTTY      bool
	Width          int // columns of the terminal; 0 when stdout is not a terminal

	Now func() time.Time

	Baked string // file with the project that this image was built from; absent outside images

	colors string // the value of --color
	socket string // the value of --socket
	remote remote // which project is asked, if it is not on this machine

	asProcessCompose bool // the verbs are those of process-compose

	// handshake leads to whoever has started us in the background, and waits for what we do.
	handshake *os.File

	// then is what Main does when the command has returned without an error; nil: nothing.
	then func(context.Context) error

	bar *bar // progress on the terminal of Stderr; nil until it is needed
}

// OSEnv returns the Env of this process.
func OSEnv() *Env {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/" // the folder was removed; relative references then fail with their name
	}
	env := &Env{
		Args:      os.Args,
		Environ:   os.Environ(),
		Dir:       dir,
		UID:       os.Getuid(),
		Self:      "/proc/self/exe",
		Stdin:     os.Stdin,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		StdinTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		StderrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Now:       time.Now,
		Baked:     container.ProjectFile,
	}
	if env.StdoutTTY {
		env.Width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	}
	return env
}

// Getenv returns the value of a variable, or "" when it is not set.
func (e *Env) Getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// LookupEnv returns the value of a variable, and whether it is set.
func (e *Env) LookupEnv(name string) (string, bool) {
	for i := len(e.Environ) - 1; i >= 0; i-- { // the last one wins, as os/exec has it
		if value, ok := strings.CutPrefix(e.Environ[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// path returns the absolute form of a path that the user typed.
func (e *Env) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(e.Dir, p)
}

// name is the name that we were called by, without folders.
func (e *Env) name() string {
	if len(e.Args) == 0 {
		return "nix2gpu"
	}
	return filepath.Base(e.Args[0])
}
