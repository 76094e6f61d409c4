// Command nix compares how fast nix2gpu and Nix evaluate:
//
//	go run ./bench/nix -lib ../nixpkgs/lib
//	go run ./bench/nix -run 'fib|sort' -rounds 21
//
// Each file of programs runs under both in turn, each time in a new process, so start-up is
// included and other load affects both. The table has medians; a ratio below 1 is in favour
// of nix2gpu. Both must print the same. Programs that load <lib> need a copy of nixpkgs'
// lib folder, which is not part of this repository. Nothing is cached by either.
package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

//go:embed programs/*.nix
var programs embed.FS

func main() {
	var (
		ours   = flag.String("ours", "bin/nix2gpu", "the nix2gpu to measure")
		nix    = flag.String("nix", "nix-instantiate", "Nix's evaluator")
		lib    = flag.String("lib", "", "folder of nixpkgs' lib, for the programs that load it")
		run    = flag.String("run", "", "only programs whose name this regular expression matches")
		rounds = flag.Int("rounds", 11, "how often each program runs under each")
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, os.Stdout, *ours, *nix, *lib, *run, max(*rounds, 1)); err != nil {
		fmt.Fprintln(os.Stderr, "bench/nix:", err)
		os.Exit(1)
	}
}

// A cost is that of one run.
type cost struct {
	wall   time.Duration
	memory int64 // the most that was resident, in KiB
}

func compare(ctx context.Context, w io.Writer, ours, nix, lib, run string, rounds int) error {
	wanted, err := regexp.Compile(run)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench-nix")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sources, err := fs.Sub(programs, "programs")
	if err != nil {
		return err
	}
	if err := os.CopyFS(dir, sources); err != nil {
		return err
	}
	names, err := fs.Glob(sources, "*.nix")
	if err != nil {
		return err
	}
	evaluators := [2][]string{{ours, "eval", "--strict"}, {nix, "--eval", "--strict"}}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "program\tnix2gpu\tNix\tratio\tMiB\tMiB, Nix\tratio")
	var times, memories []float64
	matched := false
	for _, file := range names {
		name := strings.TrimSuffix(file, ".nix")
		text, err := fs.ReadFile(sources, file)
		if err != nil {
			return err
		}
		if !wanted.MatchString(name) {
			continue
		}
		matched = true
		if lib == "" && bytes.Contains(text, []byte("<lib>")) {
			fmt.Fprintf(table, "%s\tneeds -lib\n", name)
			continue
		}
		var costs [2][]cost
		for range rounds {
			var printed [2]string
			for i, words := range evaluators {
				c, out, err := measure(ctx, dir, slices.Concat(words, []string{"-I", "lib=" + lib, filepath.Join(dir, file)}))
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				costs[i], printed[i] = append(costs[i], c), out
			}
			if printed[0] != printed[1] {
				return fmt.Errorf("%s: nix2gpu printed %.200q, and Nix %.200q", name, printed[0], printed[1])
			}
		}
		us, them := middle(costs[0]), middle(costs[1])
		times = append(times, float64(us.wall)/float64(them.wall))
		memories = append(memories, float64(us.memory)/float64(them.memory))
		fmt.Fprintf(table, "%s\t%.1f ms\t%.1f ms\t%.2f\t%.1f\t%.1f\t%.2f\n", name,
			ms(us.wall), ms(them.wall), times[len(times)-1], mib(us.memory), mib(them.memory), memories[len(memories)-1])
	}
	if !matched {
		return fmt.Errorf("-run %s matches none of the programs: %s", run, strings.ReplaceAll(strings.Join(names, " "), ".nix", ""))
	}
	if len(times) > 0 {
		fmt.Fprintf(table, "geometric mean\t\t\t%.2f\t\t\t%.2f\n", mean(times), mean(memories))
	}
	return table.Flush()
}

// measure runs words with no store and no network.
func measure(ctx context.Context, dir string, words []string) (cost, string, error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "NIX_REMOTE=dummy://", "NIX_STATE_DIR="+dir, "NIX_CONFIG=substituters =\n")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if ctx.Err() != nil {
		return cost{}, "", context.Cause(ctx)
	}
	if err != nil {
		return cost{}, "", fmt.Errorf("%s: %w: %.1000s", words[0], err, stderr.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, "", errors.New("no figures of a process on this system")
	}
	return cost{wall, usage.Maxrss}, strings.TrimSpace(out.String()), nil
}

// middle has the median of each figure.
func middle(all []cost) cost {
	return cost{
		wall:   median(all, func(c cost) time.Duration { return c.wall }),
		memory: median(all, func(c cost) int64 { return c.memory }),
	}
}

func median[T cmp.Ordered](all []cost, figure func(cost) T) T {
	var values []T
	for _, c := range all {
		values = append(values, figure(c))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// mean is the geometric one.
func mean(ratios []float64) float64 {
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mib(kib int64) float64 { return float64(kib) / 1024 }
