package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// command is one of three programs: the measurement, the raw floor, a writer of lines.
// The last two end at a signal as any program does.
func command(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "floor":
		return runFloor(args[1])
	case len(args) == 4 && args[0] == "write":
		writer, err := strconv.Atoi(args[1])
		count, err2 := strconv.Atoi(args[2])
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return work(writer, count, args[3])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return measure(ctx, args)
}

// measure is the measurement.
func measure(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	nix2gpu := flags.String("nix2gpu", "bin/nix2gpu", "the `program` of nix2gpu; empty: without it")
	compose := flags.String("process-compose", os.Getenv("PROCESS_COMPOSE"), "the `program` of process-compose; unless set, $PROCESS_COMPOSE")
	only := flags.String("rows", ".", "only rows whose name matches this `expression`")
	names := flags.String("peers", ".", "only supervisors whose name matches this `expression`; the floor is always there")
	rounds := flags.Int("rounds", 5, "how often each job is done")
	quick := flags.Bool("quick", false, "much smaller jobs, once: a look whether all rows can be measured")
	asJSON := flags.Bool("json", false, "print all values of all rounds as JSON")
	adapters := map[string]string{}
	flags.Func("adapter", "`NAME=PROGRAM`: measure another supervisor by its adapter (README.md); may be repeated", func(s string) error {
		name, program, ok := strings.Cut(s, "=")
		if !ok || name == "" || program == "" {
			return errors.New("must be NAME=PROGRAM")
		}
		adapters[name] = program
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	row, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	name, err := regexp.Compile(*names)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, self: self, lines: 5_000_000, window: 10 * time.Second, settle: 4 * time.Second, restart: 10_000, kills: 10, scale: 1}
	if *quick {
		*rounds = 1
		b.lines, b.window, b.settle, b.restart, b.scale = 100_000, 2*time.Second, time.Second, 50, 0.1
	}
	peers := []Peer{floorPeer(self)}
	if *nix2gpu != "" {
		path, err := exec.LookPath(*nix2gpu)
		if err != nil {
			return fmt.Errorf("%w\nhint: make build, or name the program with -nix2gpu", err)
		}
		if path, err = absolute(path); err != nil {
			return err
		}
		peers = append(peers, nix2gpuPeer(path))
	}
	if _, err := exec.LookPath("s6-svscan"); err == nil {
		peers = append(peers, s6Peer())
	}
	if *compose != "" {
		path, err := absolute(*compose)
		if err != nil {
			return err
		}
		peers = append(peers, processComposePeer(path))
	}
	for name, program := range adapters {
		path, err := absolute(program)
		if err != nil {
			return err
		}
		peers = append(peers, adapterPeer(name, path))
	}
	t := &table{rounds: *rounds}
	for _, p := range peers {
		if p.Name == floorName || name.MatchString(p.Name) {
			t.peers = append(t.peers, p)
		}
	}
	for _, r := range rows() {
		if row.MatchString(r.Name) {
			t.rows = append(t.rows, r)
		}
	}
	err = t.measure(ctx, b, os.Stderr) // who is interrupted prints what there is
	if *asJSON {
		return errors.Join(err, t.json(os.Stdout))
	}
	t.print(os.Stdout)
	return err
}
