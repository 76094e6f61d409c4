package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nix2gpu/image/daemon"
	"nix2gpu/image/registry"
	"nix2gpu/image/source"
)

// registryClient makes a client with the user's credentials. It prints to stderr
// why it waits and, at a terminal, its progress. The flags may be nil.
func (e *Env) registryClient(f *networkFlags) *registry.Client {
	opts := registry.Options{
		Getenv: e.Getenv,
		Retrying: func(host, why string, wait time.Duration) {
			fmt.Fprintf(e.Stderr, "%s: %s, trying again in %s\n", host, why, wait.Round(100*time.Millisecond))
		},
	}
	if f != nil {
		opts.Timeout, opts.Retries = f.stall(), f.retries
	}
	opts.Progress = e.progressOf("pushing")
	return registry.New(opts)
}

// openFile opens the image in a layout folder or an archive.
func (e *Env) openFile(name string) (*source.Source, error) {
	s, err := source.Open(name, e.path(name))
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return s, nil
}

// openImage opens the image that a user names, by a path or else by a reference to
// a registry.
func (e *Env) openImage(ctx context.Context, what string) (*source.Source, error) {
	if _, err := os.Stat(e.path(what)); err == nil || looksLikePath(what) {
		return e.openFile(what)
	}
	s, err := e.registryClient(nil).Open(ctx, what)
	return s, imageError(err)
}

// looksLikePath guesses from the form of a name whether a missing file was meant,
// or a reference.
func looksLikePath(s string) bool {
	return filepath.IsAbs(s) || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".tar") || strings.HasSuffix(s, "/")
}

// imageError makes the cure that an error of package registry or daemon carries a
// hint.
func imageError(err error) error {
	var r *registry.Error
	var d *daemon.Error
	switch {
	case errors.As(err, &r) && r.Hint != "":
		if exitCode(err) == exitTimeout { // no time limit of the user's has passed
			err = &exitError{exitFailed, err}
		}
		return hint(err, "%s", r.Hint)
	case errors.As(err, &d) && d.Hint != "":
		return hint(err, "%s", d.Hint)
	}
	return err
}
