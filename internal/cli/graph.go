package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
)

type graphOptions struct {
	target target
	output string
}

func newGraph(env *Env) *cobra.Command {
	var opts graphOptions
	cmd := &cobra.Command{
		Use:   "graph [DEFINITION] [SERVICE...]",
		Short: "Show which services wait for which",
		Long: `Shows as a tree what each service waits for before it starts. Services that nothing
waits for are at the left. If the project runs, each service is shown with its state.
With names, only those services and what they wait for are shown.

-o dot is for Graphviz, -o mermaid for pages that can show such diagrams.`,
		Example: `  nix2gpu graph                            the tree
  nix2gpu graph -o dot | dot -Tsvg >g.svg  a picture`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runGraph(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	addOutputFlag(cmd, &opts.output, "tree", "dot", "mermaid", "json")
	return cmd
}

func runGraph(ctx context.Context, env *Env, opts graphOptions) error {
	if err := oneOf("output", opts.output, "tree", "dot", "mermaid", "json"); err != nil {
		return err
	}
	if c, err := opts.target.elsewhere(env); c != nil || err != nil {
		if err != nil {
			return err
		}
		g, err := c.Graph(ctx, opts.target.services...)
		if err != nil {
			return err
		}
		return newServiceGraph(g).write(env, opts.output)
	}
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	states, err := statesOf(ctx, env, &opts.target, l)
	if err != nil {
		return err
	}
	ids, err := l.project.ResolveAll(opts.target.services)
	if err != nil {
		return err
	}
	return newServiceGraph(control.NewGraph(l.asDefined(), ids, states)).write(env, opts.output)
}

// write prints the graph in a format.
func (g *serviceGraph) write(env *Env, format string) error {
	switch format {
	case "dot":
		g.writeDot(env.Stdout)
	case "mermaid":
		g.writeMermaid(env.Stdout)
	case "json":
		return writeJSON(env.Stdout, g.Graph)
	default:
		g.writeTree(env.Stdout)
	}
	return nil
}

// statesOf asks a running project for the states of its services; nil when none
// runs.
func statesOf(ctx context.Context, env *Env, t *target, l *loaded) (map[project.ID]control.ServiceState, error) {
	own := *t
	if own.container = cmp.Or(own.container, l.container); len(own.files) == 0 {
		own.files = l.files
	}
	c, err := own.running(ctx, env)
	if errors.Is(err, control.ErrNotRunning) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	out := map[project.ID]control.ServiceState{}
	for _, s := range state.Services {
		out[s.ID] = s.State
	}
	return out, nil
}

// A serviceGraph is a control.Graph that can be drawn.
type serviceGraph struct {
	*control.Graph
	nodes     map[project.ID]*control.GraphNode
	waitedFor map[project.ID]bool
}

func newServiceGraph(g *control.Graph) *serviceGraph {
	drawn := &serviceGraph{g, map[project.ID]*control.GraphNode{}, map[project.ID]bool{}}
	for i := range g.Services {
		n := &g.Services[i]
		drawn.nodes[n.ID] = n
		for _, e := range n.DependsOn {
			drawn.waitedFor[e.Service] = true
		}
	}
	return drawn
}

// nodeText is the label of a service, with its state if that is known.
func nodeText(n *control.GraphNode) string {
	if n.State == "" {
		return n.Label
	}
	return n.Label + " [" + string(n.State) + "]"
}

// edgeText names the condition of a dependency, and whether a restart is passed on.
func edgeText(e control.GraphEdge) string {
	if e.Restart {
		return string(e.Condition) + ", restarts with it"
	}
	return string(e.Condition)
}

// writeTree prints each service below every other that waits for it. What it waits
// for itself is printed only the first time.
func (g *serviceGraph) writeTree(w io.Writer) {
	shown := map[project.ID]bool{}
	var below func(n *control.GraphNode, indent string)
	below = func(n *control.GraphNode, indent string) {
		if shown[n.ID] {
			if len(n.DependsOn) > 0 {
				fmt.Fprintf(w, "%s└── … (as above)\n", indent)
			}
			return
		}
		shown[n.ID] = true
		for i, e := range n.DependsOn {
			branch, next := "├── ", "│   "
			if i == len(n.DependsOn)-1 {
				branch, next = "└── ", "    "
			}
			to := g.nodes[e.Service]
			fmt.Fprintf(w, "%s%s%s (%s)\n", indent, branch, nodeText(to), edgeText(e))
			below(to, indent+next)
		}
	}
	for i := range g.Services {
		if n := &g.Services[i]; !g.waitedFor[n.ID] {
			fmt.Fprintln(w, nodeText(n))
			below(n, "")
		}
	}
}

// writeDot prints the graph in Graphviz's language.
func (g *serviceGraph) writeDot(w io.Writer) {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	fmt.Fprintf(w, "digraph %s {\n\trankdir=LR;\n", quote(g.Project))
	for i := range g.Services {
		n := &g.Services[i]
		fmt.Fprintf(w, "\t%s [label=%s];\n", quote(string(n.ID)), quote(nodeText(n)))
	}
	for _, n := range g.Services {
		for _, e := range n.DependsOn {
			fmt.Fprintf(w, "\t%s -> %s [label=%s];\n", quote(string(n.ID)), quote(string(e.Service)), quote(edgeText(e)))
		}
	}
	fmt.Fprintln(w, "}")
}

// writeMermaid prints the graph in Mermaid's language. Its names must be plain
// words, so they are numbered.
func (g *serviceGraph) writeMermaid(w io.Writer) {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, "#quot;") + `"` }
	number := map[project.ID]int{}
	fmt.Fprintln(w, "flowchart LR")
	for i := range g.Services {
		number[g.Services[i].ID] = i
		fmt.Fprintf(w, "    s%d[%s]\n", i, quote(nodeText(&g.Services[i])))
	}
	for _, n := range g.Services {
		for _, e := range n.DependsOn {
			fmt.Fprintf(w, "    s%d -->|%s| s%d\n", number[n.ID], quote(edgeText(e)), number[e.Service])
		}
	}
}
