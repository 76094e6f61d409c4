package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// networkFlags say how patient downloads and uploads are. nil is as by default.
type networkFlags struct {
	timeout *time.Duration
	retries *int
}

func (f *networkFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(secondsFlag{&f.timeout}, "timeout", "give up on a server that sends next to nothing for this `duration`; 0 is the default: 5m for a registry, apt's Acquire::http::Timeout for apt's sources, or else 30s")
	cmd.Flags().Var(countFlag{&f.retries}, "retries", "try again this `number` of times what fails in the network; default: 14 for a registry, apt's Acquire::Retries for apt's sources, or else 3")
	cmd.RegisterFlagCompletionFunc("timeout", cobra.NoFileCompletions)
	cmd.RegisterFlagCompletionFunc("retries", cobra.NoFileCompletions)
}

// stall is how long a server may send next to nothing; 0: the default.
func (f *networkFlags) stall() time.Duration {
	if f.timeout == nil {
		return 0
	}
	return *f.timeout
}

// A countFlag is a number of times, nil unless it is given.
type countFlag struct{ to **int }

func (f countFlag) String() string {
	if f.to == nil || *f.to == nil {
		return ""
	}
	return strconv.Itoa(**f.to)
}

func (f countFlag) Type() string { return "number" }

// Set takes what was typed.
func (f countFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1000 {
		return fmt.Errorf("must be a number from 0 to 1000, not %q", text)
	}
	*f.to = &n
	return nil
}
