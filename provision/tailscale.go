package provision

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/probe"
)

// tailscaleOptions are the flags of both tasks.
type tailscaleOptions struct {
	socket, program string

	state    string // folder in which tailscaled keeps its identity in the tailnet
	volume   string // used instead, if a volume is mounted there
	fallback string // used if the other can't be written to; lasts for this run only
	proxy    string // address to serve as a proxy; "": none

	hostname     string
	tags         words
	key, keyFrom string // the file with the key, and where the user sets it
}

func (o *tailscaleOptions) flags(work string) *flag.FlagSet {
	f := flag.NewFlagSet(work, flag.ContinueOnError)
	f.StringVar(&o.socket, "socket", "", "")
	f.StringVar(&o.program, "program", "", "")
	if work == "daemon" {
		f.StringVar(&o.state, "state", "", "")
		f.StringVar(&o.volume, "volume", "", "")
		f.StringVar(&o.fallback, "fallback", "", "")
		f.StringVar(&o.proxy, "proxy", "", "")
		return f
	}
	f.StringVar(&o.hostname, "hostname", "", "")
	f.Var(&o.tags, "tag", "")
	f.StringVar(&o.key, "key", "", "")
	f.StringVar(&o.keyFrom, "key-from", "", "")
	return f
}

// becomeTailscaled executes tailscaled in place of this process, so that it gets the
// signals, and its exit code is the process's.
func becomeTailscaled(o tailscaleOptions, stdio Stdio) error {
	state := o.state
	if isMount(o.volume) {
		state = o.volume
	}
	if err := writableFolder(state); err != nil {
		fmt.Fprintf(stdio.Out, "the state is not kept: %v; after each restart the container is a new machine in the tailnet\n", err)
		state = o.fallback
		if err := writableFolder(state); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(o.socket), 0o755); err != nil {
		return err
	}
	argv := []string{o.program, "--statedir=" + state, "--state=" + filepath.Join(state, "tailscaled.state"), "--socket=" + o.socket}
	why := lacksTUN()
	if why != nil {
		fmt.Fprintf(stdio.Out, "userspace mode, as %v: the tailnet reaches this machine, and services reach the tailnet through a proxy only; in a container with --device /dev/net/tun --cap-add NET_ADMIN directly\n", why)
		argv = append(argv, "--tun=userspace-networking")
	}
	if o.proxy != "" {
		argv = append(argv, "--socks5-server="+o.proxy, "--outbound-http-proxy-listen="+o.proxy)
	}
	err := syscall.Exec(o.program, argv, os.Environ())
	return fmt.Errorf("cannot execute %s: %v", o.program, err)
}

// isMount reports whether something is mounted at dir.
func isMount(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}

// writableFolder makes a folder. The error says why nothing can be written to it.
func writableFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".try")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// imageFile is in each of our images, and on no other machine.
const imageFile = "/etc/nix2gpu/project.json"

// lacksTUN returns why tailscaled must not make a network interface: it can't, or it
// would change the routes and the name service of somebody's own machine.
func lacksTUN() error {
	if _, err := os.Stat(imageFile); err != nil {
		return errors.New("this is not a container")
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("there is no /dev/net/tun")
		}
		return fmt.Errorf("/dev/net/tun cannot be opened: %w", errors.Unwrap(err))
	}
	f.Close()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if mask, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			if err == nil && caps&(1<<unix.CAP_NET_ADMIN) == 0 {
				err = errors.New("the capability NET_ADMIN is missing")
			}
			return err
		}
	}
	return errors.New("the kernel does not say which capabilities we have")
}

// joinTailnet lets tailscale join the tailnet, and returns when it has. No key is
// needed if the state was kept since it joined before.
func joinTailnet(ctx context.Context, o tailscaleOptions, stdio Stdio) error {
	state, err := tailscaleState(ctx, o.socket)
	if err != nil {
		return err
	}
	args := []string{"--socket=" + o.socket, "up", "--reset", "--hostname=" + o.hostname}
	if len(o.tags) > 0 {
		args = append(args, "--advertise-tags="+strings.Join(o.tags, ","))
	}
	switch info, err := os.Stat(o.key); {
	case err == nil && info.Size() > 0:
		args = append(args, "--auth-key=file:"+o.key)
	case state == "NeedsLogin":
		return fmt.Errorf("there is no key to join the tailnet with: %s names none; run the container with -e TAILSCALE_AUTHKEY, or name the file by tailscale.authKeyFile", o.keyFrom)
	}
	cmd := exec.CommandContext(ctx, o.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// Its output is passed on line by line, as it comes.
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(stdio.Out, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("tailscale up: %w", err)
	}
	for said := ""; ; {
		state, err := tailscaleState(ctx, o.socket)
		switch {
		case err != nil:
			return err
		case state == probe.TailscaleRunning:
			fmt.Fprintf(stdio.Out, "in the tailnet as %s\n", o.hostname)
			return nil
		case state != said:
			fmt.Fprintf(stdio.Out, "waiting for the tailnet: %s\n", state)
			said = state
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tailscaleState asks tailscaled for its state.
func tailscaleState(ctx context.Context, socket string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return probe.TailscaleState(conn)
}
