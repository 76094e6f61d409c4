package provision

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// aptName is what apt takes for a package, and no option.
var aptName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*(:[a-z0-9]+)?$`)
})

// Install installs Debian packages. Their servers are not started: they are
// to run under a supervisor, with another configuration.
func Install(ctx context.Context, names []string, stdio Stdio) error {
	for _, name := range names {
		if !aptName().MatchString(name) {
			return fmt.Errorf("apt: %q is not the name of a package", name)
		}
	}
	byHand := "apt-get install --no-install-recommends " + strings.Join(names, " ")
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return errors.New("apt: this machine has no apt-get\nhint: install by its own means: " + strings.Join(names, " "))
	}
	if os.Geteuid() != 0 {
		return errors.New("apt: only root can install packages\nhint: sudo " + byHand)
	}
	undo, err := denyStarts("/usr/sbin/policy-rc.d")
	if err != nil {
		return fmt.Errorf("apt: cannot keep servers from being started: %v", err)
	}
	defer undo()
	run := func(args ...string) error {
		args = append([]string{"-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "-q", "-y"}, args...)
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l")
		cmd.Stdout, cmd.Stderr = stdio.Err, stdio.Err // progress is not data
		return cmd.Run()
	}
	install := append([]string{"install", "--no-install-recommends", "--"}, names...)
	if lists, _ := filepath.Glob("/var/lib/apt/lists/*_Packages*"); len(lists) > 0 {
		if err := run(install...); err == nil {
			return nil
		}
	}
	// No lists, as in most images, or lists that are out of date.
	if err := run("update"); err != nil {
		return fmt.Errorf("apt: update: %v\nhint: %s", err, byHand)
	}
	if err := run(install...); err != nil {
		return fmt.Errorf("apt: %v\nhint: %s", err, byHand)
	}
	return nil
}

// policy is the script that Debian's packages ask before they start a server.
const policy = "#!/bin/sh\n# Written by nix2gpu while it installs packages; removed afterwards.\nexit 101\n"

// denyStarts puts the policy in place and returns what takes it away. One that
// an administrator wrote stays as it is; one that a killed run left is ours.
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
