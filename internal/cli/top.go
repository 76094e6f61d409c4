package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/gpu"
)

type topOptions struct {
	psOptions
	sort     string
	once     bool
	interval time.Duration
}

// topOrders are the orders of the table. The first letter of each is the key that chooses
// it while the table is shown.
var topOrders = [...]string{"name", "cpu", "memory", "threads", "files", "gpu"}

func newTop(env *Env) *cobra.Command {
	var opts topOptions
	cmd := &cobra.Command{
		Use:   "top [DEFINITION] [SERVICE...]",
		Short: "Show what services use now: CPU, memory, threads, files, GPU memory",
		Long: `Shows what each running service uses, with all of its processes: their number, threads
and open files, CPU time, resident memory (shared memory counts for each process), and
GPU memory if there is an nvidia-smi; then the GPUs.

At a terminal the table is shown until Ctrl-C or q, with the share of a processor that
each service has used since the last look (200% are two processors). The keys n, c, m, t,
f and g sort it by name, CPU, memory, threads, files and GPU memory. Elsewhere, and with
--no-stream, it is printed once. Nothing is measured unless you ask.

The nvidia-smi of older drivers prints the host's pids. In a container with pids of its
own, it is then not known which service holds GPU memory, and a note says so: run the
container with --pid=host.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runTop(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addOutputFlag(cmd, &opts.output, "table", "json")
	cmd.Flags().StringVar(&opts.sort, "sort", topOrders[0], "`order`: "+strings.Join(topOrders[:len(topOrders)-1], ", ")+" or "+topOrders[len(topOrders)-1])
	cmd.Flags().BoolVar(&opts.once, "no-stream", false, "print the table once, at a terminal too")
	cmd.Flags().DurationVar(&opts.interval, "interval", 2*time.Second, "`time` between two looks")
	cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(topOrders[:], cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runTop(ctx context.Context, env *Env, opts topOptions) error {
	if err := errors.Join(oneOf("output", opts.output, "table", "json"), oneOf("sort", opts.sort, topOrders[:]...)); err != nil {
		return err
	}
	if opts.interval < shortestInterval {
		return usageError("--interval must be %v or more, not %v", shortestInterval, opts.interval)
	}
	c, state, err := askState(ctx, env, &opts.target)
	if err != nil {
		return err
	}
	t := &topView{env: env, client: c, services: state.Services, named: len(opts.target.services) > 0, order: opts.sort}
	if opts.output == "table" && !opts.once && env.StdoutTTY && env.Getenv("TERM") != "dumb" {
		return t.show(ctx, opts.interval)
	}
	usage, err := t.look(ctx)
	if err != nil {
		return err
	}
	if opts.output == "json" {
		return writeJSON(env.Stdout, usage)
	}
	if len(usage.Services) == 0 {
		fmt.Fprintln(env.Stderr, "no service runs now")
		writeGPUs(env.Stdout, usage)
		return nil
	}
	writeColumns(env, t.rows(usage))
	writeGPUs(env.Stdout, usage)
	return nil
}

// shortestInterval is for [topOptions]. More often than that nobody can read.
const shortestInterval = 100 * time.Millisecond

// A topView is the table of "top".
type topView struct {
	env      *Env
	client   *client.Client
	services []control.Service // those that were asked for
	named    bool              // and no others
	order    string            // one of topOrders
	live     bool              // it is shown again and again
	before   *control.Usage    // of the look before this one; nil: there was none
}

// look asks for what services use now.
func (t *topView) look(ctx context.Context) (*control.Usage, error) {
	usage, err := t.client.Usage(ctx)
	if err != nil {
		return nil, err
	}
	if t.named {
		keepUsage(usage, t.services)
	}
	order := func(a, b control.ServiceUsage) int { // by name already
		switch t.order {
		case "cpu":
			return cmp.Or(cmp.Compare(t.share(usage, b), t.share(usage, a)), cmp.Compare(b.CPU, a.CPU))
		case "memory":
			return cmp.Compare(b.Memory, a.Memory)
		case "threads":
			return cmp.Compare(b.Threads, a.Threads)
		case "files":
			return cmp.Compare(b.Files, a.Files)
		case "gpu":
			return cmp.Compare(gpuMemory(b), gpuMemory(a))
		}
		return 0
	}
	sort.SliceStable(usage.Services, func(i, j int) bool { return order(usage.Services[i], usage.Services[j]) < 0 })
	return usage, nil
}

func gpuMemory(u control.ServiceUsage) (bytes int64) {
	for _, share := range u.GPU {
		bytes += share.Memory
	}
	return bytes
}

// share is how much of a processor a service has used since the look before, in percent;
// -1 if there was none, or it did not run then. What its ended processes have used is not
// known.
func (t *topView) share(now *control.Usage, u control.ServiceUsage) float64 {
	if t.before == nil {
		return -1
	}
	took := now.At.Sub(t.before.At)
	i := slices.IndexFunc(t.before.Services, func(old control.ServiceUsage) bool { return old.ID == u.ID })
	if i < 0 || took <= 0 {
		return -1
	}
	return max(0, 100*float64(u.CPU-t.before.Services[i].CPU)/float64(took))
}

// rows returns the rows of the table; the first is the header.
func (t *topView) rows(usage *control.Usage) [][]string {
	head := []string{"NAME", "PROCESSES", "THREADS", "FILES"}
	if t.live {
		head = append(head, "CPU%")
	}
	head = append(head, "CPU", "MEMORY")
	if len(usage.GPUs) > 0 {
		head = append(head, "GPU MEMORY")
	}
	rows := [][]string{head}
	for _, u := range usage.Services {
		files := "-"
		if u.Files >= 0 {
			files = fmt.Sprint(u.Files)
		}
		row := []string{u.Label, fmt.Sprint(len(u.PIDs)), fmt.Sprint(u.Threads), files}
		if share := t.share(usage, u); t.live && share >= 0 {
			row = append(row, fmt.Sprintf("%.1f", share))
		} else if t.live {
			row = append(row, "-")
		}
		row = append(row, lasted(u.CPU), memory(u.Memory))
		if len(usage.GPUs) > 0 {
			row = append(row, dash(gpuShares(u)))
		}
		rows = append(rows, row)
	}
	return rows
}

// show shows the table until the project ends, Ctrl-C, or the key q.
func (t *topView) show(ctx context.Context, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	keys, restore := t.keys()
	defer restore()
	widths := []int(nil)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	t.live = true
	for drawn := false; ; drawn = true {
		usage, err := t.look(ctx)
		switch {
		case errors.Is(err, control.ErrNotRunning):
			fmt.Fprintln(t.env.Stderr, "the project ended")
			return nil
		case ctx.Err() != nil: // Ctrl-C, as below
			return nil
		case err != nil:
			return err
		}
		rows := t.rows(usage)
		if len(widths) != len(rows[0]) {
			widths = nil // a GPU has come or gone
		}
		widths = columnWidths(rows, widths) // they only grow: columns are not to jump
		if err := t.draw(usage, rows, widths, drawn); err != nil {
			return err
		}
		select {
		case <-tick.C:
			t.before = usage
		case key := <-keys:
			if key == 'q' {
				return nil
			}
			for _, order := range topOrders {
				if order[0] == key {
					t.order = order
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *topView) draw(usage *control.Usage, rows [][]string, widths []int, drawn bool) error {
	var page bytes.Buffer
	env := *t.env
	width, height := sizeOf(t.env.Stdout)
	env.Stdout, env.Width = &page, width
	fmt.Fprintf(&page, "%s  sorted by %s (keys: n c m t f g; q ends)\n", usage.At.Local().Format(time.TimeOnly), t.order)
	writeRows(&env, rows, widths, 0)
	if len(usage.Services) == 0 {
		fmt.Fprintln(&page, "no service runs now")
	}
	writeGPUs(&page, usage)
	return drawPage(t.env.Stdout, page.String(), height, drawn)
}

// keys returns the keys that are pressed, without waiting for the end of a line, and what
// gives the terminal back. Signals come as ever. Without a terminal to read from no key
// comes.
func (t *topView) keys() (keys <-chan byte, restore func()) {
	in, ok := t.env.Stdin.(*os.File)
	if !ok || !t.env.StdinTTY {
		return nil, func() {}
	}
	before, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return nil, func() {}
	}
	single := *before
	single.Lflag &^= unix.ICANON | unix.ECHO
	single.Cc[unix.VMIN], single.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &single); err != nil {
		return nil, func() {}
	}
	pressed := make(chan byte)
	go func() { // it ends with the process: nothing else reads our terminal after this
		var key [1]byte
		for {
			if n, err := in.Read(key[:]); n == 0 || err != nil {
				return
			}
			pressed <- key[0]
		}
	}()
	return pressed, func() { _ = unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, before) } // the terminal may be gone
}

// gpuShares formats how much memory of which GPU a service holds.
func gpuShares(u control.ServiceUsage) string {
	var parts []string
	for _, share := range u.GPU {
		parts = append(parts, fmt.Sprintf("%s of GPU %d", gpu.Bytes(share.Memory), share.Index))
	}
	return strings.Join(parts, ", ")
}

// writeGPUs prints the GPUs of the machine, and what is not known about them.
func writeGPUs(w io.Writer, u *control.Usage) {
	for _, card := range u.GPUs {
		line := gpu.Card{Index: card.Index, Name: card.Name}.String()
		if card.Used >= 0 && card.Memory >= 0 {
			line += fmt.Sprintf(": %s of %s in use", gpu.Bytes(card.Used), gpu.Bytes(card.Memory))
		}
		fmt.Fprintln(w, line)
	}
	for _, note := range u.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}
