package cli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/project"
	"nix2gpu/session"
)

// ending are the flags of up that say when the project ends, and how.
type ending struct {
	leave    bool
	abort    bool
	codeFrom string
	grace    *time.Duration
}

// addFlags adds them; timeout is the short name of --timeout.
func (e *ending) addFlags(env *Env, cmd *cobra.Command, timeout string) {
	f := cmd.Flags()
	f.BoolVar(&e.abort, "abort-on-exit", false, "stop all when the first service ends, unless it is a one-shot that has succeeded; restart none")
	f.BoolVar(&e.abort, "abort-on-container-exit", false, "the same, as docker compose calls it")
	f.MarkHidden("abort-on-container-exit")
	f.StringVar(&e.codeFrom, "exit-code-from", "", "as --abort-on-exit; also stop all when this `service` has ended, and end with its exit code")
	cmd.RegisterFlagCompletionFunc("exit-code-from", completeServices(env))
	f.BoolVar(&e.leave, "exit-when-complete", false, "end when nothing runs any more, whatever whenDone says")
	f.VarP(secondsFlag{&e.grace}, "timeout", timeout, "when all is stopped, kill what has not ended after so many `seconds`; 0: at once")
}

// endsByItself reports whether the end of a service ends all of it.
func (e *ending) endsByItself() bool { return e.abort || e.codeFrom != "" }

// of is what they mean for the services ids of a definition.
func (e *ending) of(l *loaded, ids []project.ID) (session.Ending, error) {
	out := session.Ending{Leave: e.leave, AbortOnExit: e.endsByItself(), StopGrace: e.grace}
	if e.codeFrom == "" {
		return out, nil
	}
	var err error
	if out.ExitCodeFrom, err = l.project.ResolveOne(e.codeFrom); err != nil {
		return out, err
	}
	if !slices.Contains(ids, out.ExitCodeFrom) {
		missing := usageError("--exit-code-from names %q, which is not among the services to run", e.codeFrom)
		if s := l.project.Services[out.ExitCodeFrom]; len(s.Profiles) > 0 {
			return out, hint(missing, "name it as a service to run as well, or start its profile: --profile %s", s.Profiles[0])
		}
		return out, hint(missing, "name it as a service to run as well, or name none")
	}
	return out, nil
}

// endingFlag is the flag by which a job got what only a project that begins can take;
// "": none.
func endingFlag(e session.Ending) string {
	switch {
	case e.ExitCodeFrom != "":
		return "--exit-code-from"
	case e.AbortOnExit:
		return "--abort-on-exit"
	case e.Leave:
		return "--exit-when-complete"
	case e.StopGrace != nil:
		return "--timeout"
	}
	return ""
}

// A secondsFlag is a length of time as docker has it: a number without a unit is of
// seconds.
type secondsFlag struct{ to **time.Duration }

func (f secondsFlag) String() string {
	if f.to == nil || *f.to == nil {
		return ""
	}
	return (*f.to).String()
}

func (f secondsFlag) Type() string { return "seconds" }

// Set takes what was typed.
func (f secondsFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, numberErr := strconv.ParseFloat(text, 64); numberErr == nil && n >= 0 && n < math.MaxInt32 { // which NaN is not
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < 0 {
		return fmt.Errorf("must be a number of seconds, 0 or more, not %q", text)
	}
	*f.to = &d
	return nil
}
