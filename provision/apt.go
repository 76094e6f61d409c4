package provision

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// aptName matches what apt takes for the name of a package, and for no option. It is
// compiled when it is needed, which in most runs it is not.
var aptName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*(:[a-z0-9]+)?$`)
})

// policyFile is the script that Debian's packages ask before they start a server.
const policyFile = "/usr/sbin/policy-rc.d"

// A Step is the progress of apt: what it does, how much of that is done, and its own
// words for it.
type Step struct {
	Doing   string // "downloading" or "installing"
	Text    string
	Percent float64
}

// Install installs Debian packages. It keeps their servers from being started: they
// are to run under our supervisor, with another configuration. It calls tell with each
// step of its progress, unless tell is nil.
func Install(ctx context.Context, names []string, stdio Stdio, tell func(Step)) error {
	return install(ctx, names, stdio, tell, policyFile)
}

func install(ctx context.Context, names []string, stdio Stdio, tell func(Step), policyAt string) error {
	for _, name := range names {
		if !aptName().MatchString(name) {
			return fmt.Errorf("apt: %q is not the name of a package\nhint: install it by other means, and put its programs on PATH", name)
		}
	}
	byHand := "apt-get install --no-install-recommends " + strings.Join(names, " ")
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return errors.New("apt: this machine has no apt-get\nhint: install with its own package manager: " + strings.Join(names, " "))
	}
	if os.Geteuid() != 0 {
		return errors.New("apt: only root can install packages\nhint: sudo " + byHand)
	}
	undo, err := denyStarts(policyAt)
	if err != nil {
		return fmt.Errorf("apt: cannot keep servers from being started: %v", err)
	}
	defer undo()
	run := func(args ...string) error {
		options := []string{"-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "-q", "-y"}
		if tell != nil {
			options = append(options, "-o", "APT::Status-Fd=3") // the first of ExtraFiles
		}
		cmd := exec.CommandContext(ctx, apt, append(options, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l")
		cmd.Stdout, cmd.Stderr = stdio.Err, stdio.Err // progress is no result
		cmd.WaitDelay = leftOpen
		err := follow(cmd, tell)
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil // apt itself has ended well
		}
		return err
	}
	install := append([]string{"install", "--no-install-recommends", "--"}, names...)
	if lists, _ := filepath.Glob("/var/lib/apt/lists/*_Packages*"); len(lists) > 0 {
		if err := run(install...); err == nil {
			return nil
		}
	}
	// There are no lists, as in most images, or they are out of date.
	if err := run("update"); err != nil {
		return fmt.Errorf("apt: update: %v\nhint: %s", err, byHand)
	}
	if err := run(install...); err != nil {
		return fmt.Errorf("apt: %v\nhint: %s", err, byHand)
	}
	return nil
}

// leftOpen is how long we read the pipes of apt after its end: programs that a package
// has started may keep them open for ever.
const leftOpen = 2 * time.Second

// follow runs apt and passes what it says on its status descriptor to tell.
func follow(cmd *exec.Cmd, tell func(Step)) error {
	if tell == nil {
		return cmd.Run()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if s, ok := parseStep(lines.Text()); ok {
				tell(s)
			}
		}
	}()
	err = cmd.Wait()
	_ = r.SetReadDeadline(time.Now().Add(leftOpen)) // pipes have deadlines: it can't fail
	<-read
	return err
}

// parseStep parses a line of apt's status descriptor: "dlstatus:FILE:PERCENT:TEXT" or
// "pmstatus:PACKAGE:PERCENT:TEXT". Errors and questions come there, too, but apt also
// prints those.
func parseStep(line string) (Step, bool) {
	f := strings.SplitN(strings.ToValidUTF8(line, "?"), ":", 4)
	doing := map[string]string{"dlstatus": "downloading", "pmstatus": "installing"}[f[0]]
	if len(f) < 4 || doing == "" {
		return Step{}, false
	}
	percent, err := strconv.ParseFloat(f[2], 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return Step{}, false
	}
	return Step{doing, strings.TrimSpace(f[3]), percent}, true
}

// policy forbids to start any server, which the exit code 101 means.
const policy = "#!/bin/sh\n# Written by nix2gpu while it installs packages; removed afterwards.\nexit 101\n"

// denyStarts puts the policy in place and returns what removes it. A policy of an
// administrator stays; one that a killed run has left counts as ours.
func denyStarts(path string) (undo func(), err error) {
	have, err := os.ReadFile(path)
	switch {
	case err == nil && string(have) != policy:
		return func() {}, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	tmp := path + ".nix2gpu"
	if err := os.WriteFile(tmp, []byte(policy), 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, err
	}
	return func() {
		if now, err := os.ReadFile(path); err == nil && string(now) == policy {
			os.Remove(path)
		}
	}, nil
}
