package provision

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

type trialOptions struct {
	server string // the program; an argument of its own, so that a change of it is noticed
	data   string
	conf   string
}

func (o *trialOptions) flags() *flag.FlagSet {
	f := flag.NewFlagSet("postgresql test", flag.ContinueOnError)
	f.StringVar(&o.server, "server", "", "path of postgres")
	f.StringVar(&o.data, "data", "", "data folder")
	f.StringVar(&o.conf, "conf", "", "folder of the configuration")
	return f
}

// untested begins the message if only a start can tell whether pg_hba.conf is right.
// The catalogue knows it.
const untested = "pg_hba.conf was not read"

// testPostgres lets the server test its configuration. pg_hba.conf is only read by a
// start. If there is a cluster, one is tried, on a folder that lacks what the server
// needs next after that file. The error has what the server says.
func testPostgres(ctx context.Context, o trialOptions) error {
	if real, err := filepath.EvalSymlinks(o.server); err == nil { // it looks for files beside itself
		o.server = real
	}
	out, err := o.run(ctx, o.conf, "-C", "port")
	if err != nil {
		return fmt.Errorf("postgresql: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(o.data, "PG_VERSION")); errors.Is(err, fs.ErrNotExist) {
		return nil // the first start will say
	}
	data, err := os.MkdirTemp(o.conf, "test-")
	if err != nil {
		return fmt.Errorf("%s: %v", untested, err)
	}
	defer os.RemoveAll(data)
	if err := o.without(walDir, data); err != nil {
		return fmt.Errorf("%s: %v", untested, err)
	}
	// They could keep it from reading the file, or make it do more than that.
	args := []string{}
	for _, set := range []string{"listen_addresses=", "unix_socket_directories=.", "shared_buffers=1MB", "shared_preload_libraries=", "ssl=off",
		"external_pid_file=external.pid", "logging_collector=off", "log_destination=stderr"} {
		args = append(args, "-c", set)
	}
	out, err = o.run(ctx, data, args...)
	switch {
	case strings.Contains(out, "could not load ") && strings.Contains(out, "pg_hba.conf"):
		return fmt.Errorf("postgresql: %v\n%s", err, out)
	case strings.Contains(out, walDir): // it has read the file, and now misses that folder
		return nil
	}
	return fmt.Errorf("%s: %v\n%s\nhint: the start says whether it is right", untested, err, out)
}

// walDir is the folder without which a start ends before it changes anything.
const walDir = "pg_wal"

// without makes an empty folder look like the cluster, without its data and one of its
// folders.
func (o trialOptions) without(lacks, dir string) error {
	entries, err := os.ReadDir(o.data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != lacks {
			if err := os.Mkdir(filepath.Join(dir, e.Name()), 0o700); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"PG_VERSION", "global/pg_control"} {
		content, err := os.ReadFile(filepath.Join(o.data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run runs the server with the configuration and returns what it says.
func (o trialOptions) run(ctx context.Context, data string, more ...string) (string, error) {
	args := append(more, "-D", data)
	for option, file := range map[string]string{"config_file": "postgresql.conf", "hba_file": "pg_hba.conf", "ident_file": "pg_ident.conf"} {
		args = append(args, "-c", option+"="+filepath.Join(o.conf, file))
	}
	cmd := exec.CommandContext(ctx, o.server, args...)
	cmd.Env = withoutPG(os.Environ())
	runtime.LockOSThread() // the end of this thread is what Pdeathsig means
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
