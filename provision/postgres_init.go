package provision

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

type initOptions struct {
	bin, data, superuser string
	args                 words

	primaryHost, primaryUser, slot string // of the server to follow
	primaryPort                    int
}

func (o *initOptions) flags() *flag.FlagSet {
	f := flag.NewFlagSet("postgresql init", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "", "folder of initdb and postgres")
	f.StringVar(&o.data, "data", "", "data folder")
	f.StringVar(&o.superuser, "superuser", "postgres", "name of the first role")
	f.Var(&o.args, "initdb-arg", "one argument for initdb")
	f.StringVar(&o.primaryHost, "primary-host", "", "address of the server to copy and follow")
	f.IntVar(&o.primaryPort, "primary-port", 5432, "its port")
	f.StringVar(&o.primaryUser, "primary-user", "postgres", "user to connect as")
	f.StringVar(&o.slot, "slot", "", "replication slot to make there")
	return f
}

// initPostgres makes the data folder ready for the server: initialised, of the right
// version, and used by no other server.
func initPostgres(ctx context.Context, o initOptions) error {
	if os.Geteuid() == 0 {
		return lasting(errors.New("postgresql: the server must not run as root\nhint: set the service's user to another one, such as \"postgres\""))
	}
	o.bin = realFolder(o.bin, "initdb")
	have, err := os.ReadFile(filepath.Join(o.data, "PG_VERSION"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeCluster(ctx, o)
	case err != nil:
		return fmt.Errorf("postgresql: %v", err)
	}
	if err := checkVersion(ctx, o, strings.TrimSpace(string(have))); err != nil {
		return err
	}
	if err := checkStandby(ctx, o); err != nil {
		return err
	}
	// The server insists on a private folder, and volumes often are not.
	if info, err := os.Stat(o.data); err == nil && info.Mode().Perm()&0o027 != 0 {
		if err := os.Chmod(o.data, 0o700); err != nil {
			return fmt.Errorf("postgresql: data folder %q must be private: %v\nhint: chmod 700 %s", o.data, err, o.data)
		}
	}
	return clearStalePid(o.data)
}

func makeCluster(ctx context.Context, o initOptions) error {
	return buildAside(o.data, "postgresql", "PG_VERSION", func(build string) error {
		if o.primaryHost != "" {
			return copyPrimary(ctx, o, build)
		}
		return runInitdb(ctx, o, build)
	})
}

func runInitdb(ctx context.Context, o initOptions, build string) error {
	if _, err := user.LookupId(strconv.Itoa(os.Geteuid())); err != nil {
		// Only initdb needs one, not the server.
		return lasting(fmt.Errorf("postgresql: initdb needs an entry in /etc/passwd for its user, and number %d has none\nhint: useradd --system --uid %[1]d postgres", os.Geteuid()))
	}
	args := append([]string{"--no-sync", "--no-instructions", "--auth=trust", "--username=" + o.superuser, "--pgdata=" + build}, o.args...)
	cmd := exec.CommandContext(ctx, filepath.Join(o.bin, "initdb"), args...)
	cmd.Env = withZone(withoutPG(os.Environ()))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); ended {
			return fmt.Errorf("postgresql: initdb: %v\n%s", err, strings.TrimSpace(out.String()))
		}
		return fmt.Errorf("postgresql: %v", err)
	}
	return nil
}

// withZone sets a time zone where none is known. Without /etc/localtime, as in a
// container, initdb compares the machine's clock with every zone that there is, which
// takes it 90,000 system calls. What it finds is only written to a postgresql.conf that
// the server does not read.
func withZone(env []string) []string {
	if slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "TZ=") }) {
		return env
	}
	return append(env, "TZ=UTC")
}

// checkVersion compares the version of a cluster with that of the server, so that a
// mismatch ends in one clear message and not in endless restarts.
func checkVersion(ctx context.Context, o initOptions, cluster string) error {
	// It comes with the server, and starts ten times faster.
	tool := filepath.Join(o.bin, "pg_controldata")
	if _, err := os.Stat(tool); err != nil {
		tool = filepath.Join(o.bin, "postgres")
	}
	cmd := exec.CommandContext(ctx, tool, "--version")
	out, err := cmd.Output() // "postgres (PostgreSQL) 15.8 (Debian 15.8-0)"
	if err != nil {
		return fmt.Errorf("postgresql: %v", err)
	}
	_, rest, _ := strings.Cut(string(out), "(PostgreSQL) ")
	server, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if server == "" || server == cluster || strings.HasPrefix(server, cluster+".") || strings.HasPrefix(server, cluster+"beta") ||
		strings.HasPrefix(server, cluster+"rc") || strings.HasPrefix(server, cluster+"devel") {
		return nil
	}
	return lasting(fmt.Errorf("postgresql: data folder %q was made by version %s, but the server is version %s\n"+
		"hint: use package = pkgs.postgresql_%s, or set dataDir to an empty folder; or, as root and with both versions installed, upgrade it: %s",
		o.data, cluster, server, cluster, upgradeCommand(o, cluster, server)))
}

// upgradeCommand is what root types, where both versions are installed, to make a folder of
// the server's version from that of a cluster. The old one stays beside it.
func upgradeCommand(o initOptions, cluster, server string) string {
	major, _, _ := strings.Cut(server, ".")
	who := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(who); err == nil {
		who = u.Username
	}
	fresh := shellWord(o.data + "." + major)
	data, bin, boss := shellWord(o.data), shellWord(o.bin), shellWord(o.superuser)
	initdb := []string{bin + "/initdb", "--auth=trust", "--username=" + boss}
	for _, arg := range o.args {
		initdb = append(initdb, shellWord(arg))
	}
	as := "runuser -u " + shellWord(who) + " -- "
	return strings.Join([]string{
		"install -d -m 700 -o " + shellWord(who) + " " + fresh,
		"cd " + fresh,
		as + strings.Join(append(initdb, fresh), " "),
		as + bin + "/pg_upgrade --username=" + boss + " --old-bindir=" + strings.Replace(bin, "/"+major+"/", "/"+cluster+"/", 1) +
			" --old-datadir=" + data + " --new-datadir=" + fresh,
		"find " + data + " -maxdepth 1 -type f -name '.nix2gpu-*' -exec cp -p -t " + fresh + " {} +", // what has run
		"mv " + data + " " + shellWord(o.data+"."+cluster),
		"mv " + fresh + " " + data,
	}, " && ")
}

// shellWord quotes a word for a shell where it must be.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// clearStalePid removes the postmaster.pid of a killed server. A server does that
// itself, unless another process has got the number meanwhile: the usual case in a
// container, where each start gives the same few numbers.
func clearStalePid(data string) error {
	file := filepath.Join(data, "postmaster.pid")
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgresql: %v", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil && pid > 0 && servesFrom(pid, data) {
		return fmt.Errorf("postgresql: data folder %q is in use by process %d\nhint: stop that server first, or set dataDir to another folder", data, pid)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("postgresql: %v", err)
	}
	return nil
}

// servesFrom reports whether the working folder of process pid is data, where a server
// of that folder has its own. If in doubt, it is.
func servesFrom(pid int, data string) bool {
	at, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if errors.Is(err, fs.ErrPermission) {
		return false // another user's process: a server of this folder would be our user's
	}
	here, err2 := os.Stat(data)
	if err != nil || err2 != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(at, here)
}

// realFolder returns the folder in which a program of bin really is. The tools look for
// each other beside themselves, and bin is made of links and may be closed to them.
func realFolder(bin, program string) string {
	real, err := filepath.EvalSymlinks(filepath.Join(bin, program))
	if err != nil {
		return bin // whoever uses it says what is wrong
	}
	return filepath.Dir(real)
}

// withoutPG drops the variables that libpq and the server read, which are about the
// caller's database and not about this one.
func withoutPG(env []string) []string { return without(env, "PG") }

// without drops the variables whose names begin with a prefix.
func without(env []string, prefix string) []string {
	out := env[:0:0]
	for _, kv := range env {
		if !strings.HasPrefix(kv, prefix) {
			out = append(out, kv)
		}
	}
	return out
}
