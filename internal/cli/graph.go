package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
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
	g := newServiceGraph(l.asDefined(), ids, states)
	switch opts.output {
	case "dot":
		g.writeDot(env.Stdout)
	case "mermaid":
		g.writeMermaid(env.Stdout)
	case "json":
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(g)
	default:
		g.writeTree(env.Stdout)
	}
	return nil
}

// statesOf asks a running project for the states of its services; nil when none
// runs.
func statesOf(ctx context.Context, env *Env, t *target, l *loaded) (map[project.ID]control.ServiceState, error) {
	own := *t
	own.container = cmp.Or(own.container, l.container)
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

// A serviceGraph holds services and what they wait for, sorted by label.
type serviceGraph struct {
	Project  string         `json:"project"`
	Services []*graphedNode `json:"services"`
}

type graphedNode struct {
	ID        project.ID           `json:"id"`
	Label     string               `json:"label"`
	State     control.ServiceState `json:"state,omitempty"` // of a running project
	DependsOn []graphedEdge        `json:"dependsOn"`

	waitedFor bool
}

type graphedEdge struct {
	Service   project.ID        `json:"service"`
	Condition project.Condition `json:"condition"`
	Restart   bool              `json:"restart,omitempty"`

	to *graphedNode
}

// newServiceGraph makes the graph of the services ids and all that they depend on.
// Without ids it holds all enabled services.
func newServiceGraph(p *project.Project, ids []project.ID, states map[project.ID]control.ServiceState) *serviceGraph {
	if len(ids) == 0 {
		ids = p.Enabled()
	}
	nodes := map[project.ID]*graphedNode{}
	for _, id := range p.Select(ids, false) {
		nodes[id] = &graphedNode{ID: id, Label: p.Services[id].Label, State: states[id], DependsOn: []graphedEdge{}}
	}
	g := &serviceGraph{Project: p.Name, Services: slices.Collect(maps.Values(nodes))}
	slices.SortFunc(g.Services, func(a, b *graphedNode) int { return strings.Compare(a.Label, b.Label) })
	for _, n := range g.Services {
		for id, d := range p.Services[n.ID].DependsOn {
			to := nodes[id] // Select has added it, because n depends on it
			to.waitedFor = true
			n.DependsOn = append(n.DependsOn, graphedEdge{Service: id, Condition: d.Condition, Restart: d.Restart, to: to})
		}
		slices.SortFunc(n.DependsOn, func(a, b graphedEdge) int { return strings.Compare(a.to.Label, b.to.Label) })
	}
	return g
}

// text is the label of a service, with its state if that is known.
func (n *graphedNode) text() string {
	if n.State == "" {
		return n.Label
	}
	return n.Label + " [" + string(n.State) + "]"
}

// text names the condition of a dependency, and whether a restart is passed on.
func (e graphedEdge) text() string {
	if e.Restart {
		return string(e.Condition) + ", restarts with it"
	}
	return string(e.Condition)
}

// writeTree prints each service below every other that waits for it. What it waits
// for itself is printed only the first time.
func (g *serviceGraph) writeTree(w io.Writer) {
	shown := map[*graphedNode]bool{}
	var below func(n *graphedNode, indent string)
	below = func(n *graphedNode, indent string) {
		if shown[n] {
			if len(n.DependsOn) > 0 {
				fmt.Fprintf(w, "%s└── … (as above)\n", indent)
			}
			return
		}
		shown[n] = true
		for i, e := range n.DependsOn {
			branch, next := "├── ", "│   "
			if i == len(n.DependsOn)-1 {
				branch, next = "└── ", "    "
			}
			fmt.Fprintf(w, "%s%s%s (%s)\n", indent, branch, e.to.text(), e.text())
			below(e.to, indent+next)
		}
	}
	for _, n := range g.Services {
		if !n.waitedFor {
			fmt.Fprintln(w, n.text())
			below(n, "")
		}
	}
}

// writeDot prints the graph in Graphviz's language.
func (g *serviceGraph) writeDot(w io.Writer) {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	fmt.Fprintf(w, "digraph %s {\n\trankdir=LR;\n", quote(g.Project))
	for _, n := range g.Services {
		fmt.Fprintf(w, "\t%s [label=%s];\n", quote(string(n.ID)), quote(n.text()))
	}
	for _, n := range g.Services {
		for _, e := range n.DependsOn {
			fmt.Fprintf(w, "\t%s -> %s [label=%s];\n", quote(string(n.ID)), quote(string(e.Service)), quote(e.text()))
		}
	}
	fmt.Fprintln(w, "}")
}

// writeMermaid prints the graph in Mermaid's language. Its names must be plain
// words, so they are numbered.
func (g *serviceGraph) writeMermaid(w io.Writer) {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, "#quot;") + `"` }
	number := map[*graphedNode]int{}
	fmt.Fprintln(w, "flowchart LR")
	for i, n := range g.Services {
		number[n] = i
		fmt.Fprintf(w, "    s%d[%s]\n", i, quote(n.text()))
	}
	for _, n := range g.Services {
		for _, e := range n.DependsOn {
			fmt.Fprintf(w, "    s%d -->|%s| s%d\n", number[n], quote(e.text()), number[e.to])
		}
	}
}
