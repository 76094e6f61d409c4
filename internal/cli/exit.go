package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/session"
)

// The exit codes. Scripts depend on them: they never change.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotRunning  = 3
	exitNoService   = 4
	exitTimeout     = 124
	exitOurs        = 125 // of exec and run: nix2gpu failed, not the command
	exitNotExec     = 126
	exitNotFound    = 127
	exitInterrupted = 130
)

// exitCodes describes them; docs/reference/exit-codes.md is generated from it.
var exitCodes = []struct{ code, meaning string }{
	{"0", "Success. Also `up` and `boot` after an orderly stop by SIGTERM, SIGQUIT, Ctrl-C or `down`, whatever failed before, and a shell of `boot` that `docker stop` has ended."},
	{"1", "Failure: a service could not run on this machine, or has failed, or a request was refused."},
	{"2", "Wrong usage, or an invalid definition."},
	{"3", "Nothing is running. With `status SERVICE`: the service is stopped, disabled, or waits for others; 1 then means that it fails, restarts, or was refused or skipped."},
	{"4", "There is no such service."},
	{"124", "The time limit was reached first."},
	{"125", "`exec`, `run`: any other failure before the command was executed."},
	{"126, 127", "The command of `boot`, `exec` or `run` could not be executed; it was not found. Otherwise these verbs exit with the command's own code."},
	{"128+n", "Killed by signal n."},
	{"130", "Interrupted by Ctrl-C, with any verb but `up` and `boot`; 143 after SIGTERM, 131 after SIGQUIT."},
}

// An exitError ends the program with a code of its own. Where err is nil, nothing
// is printed: it has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// An endError says how the program that we ran has ended. A signal that came
// meanwhile does not replace it, since it was passed on.
type endError struct{ err error }

func (e *endError) Error() string { return e.err.Error() }
func (e *endError) Unwrap() error { return e.err }

// usageError is a mistake on the command line itself.
func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// A hinted error carries its cure, which is printed on a line of its own.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// hint adds a cure to err.
func hint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// exitCode returns the code that the program ends with because of err.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var e *exitError
	var wrong *invalid
	var name *project.NameError
	var by *interruption
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &by):
		return by.code()
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &name):
		return exitNoService
	}
	if kind, ok := control.KindOf(err); ok {
		return kind.Exit
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// report prints err and its cure to stderr. Verbs that they name are those of root.
func report(env *Env, root *cobra.Command, err error) {
	var e *exitError
	if errors.As(err, &e) && e.err == nil {
		return
	}
	if errors.Is(err, context.Canceled) {
		return // whoever pressed Ctrl-C need not be told
	}
	var wrong *invalid
	var refused *session.Refusal
	switch {
	case errors.As(err, &wrong):
		io.WriteString(env.Stderr, verbsOf(root, faultsText(env, wrong.root, faults(wrong.err))))
		return
	case errors.As(err, &refused):
		io.WriteString(env.Stderr, verbsOf(root, faultsText(env, refused.Root, faults(refused))))
		return
	}
	msg := strings.TrimRight(err.Error(), "\n")
	if !startsWithPlace(msg) {
		msg = root.Name() + ": " + msg
	}
	text := env.narrow(unindentHints(msg)) + "\n"
	var ce *control.Error
	var h *hinted
	if errors.As(err, &h) {
		text += "hint: " + h.hint + "\n"
	} else if errors.As(err, &ce) && ce.Hint != "" {
		text += "hint: " + ce.Hint + "\n"
	} else if strings.HasSuffix(msg, unix.EMFILE.Error()) {
		text += "hint: " + process.FileHint(1) + "\n"
	}
	io.WriteString(env.Stderr, verbsOf(root, text))
}

// verbsOf names in text the verbs of nix2gpu by the name that the program was called by,
// so that the cure can be typed again; those that only nix2gpu has stay as they are.
func verbsOf(root *cobra.Command, text string) string {
	const name = "nix2gpu "
	if root.Name()+" " == name {
		return text
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, name)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r < 'a' || r > 'z' })
		if end < 0 {
			end = len(after)
		}
		if slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == after[:end] }) {
			b.WriteString(root.Name() + " ")
		} else {
			b.WriteString(name)
		}
		text = after
	}
}

// startsWithPlace reports whether msg begins with "file:line:". Editors find that
// only if nothing stands before it.
func startsWithPlace(msg string) bool {
	file, rest, ok := strings.Cut(msg, ":")
	if !ok || file == "" || strings.ContainsAny(file, " \n") {
		return false
	}
	return rest != "" && rest[0] >= '0' && rest[0] <= '9'
}
