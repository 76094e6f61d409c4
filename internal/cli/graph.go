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
		Long: `Shows what each service waits for before it starts, as a tree: what nothing waits
for is at the left. Where the project runs, each service has its state beside it. With
services, only these and what they wait for.

-o dot is for Graphviz, -o mermaid for pages that show such diagrams.`,
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

// statesOf asks the project, if it runs, for the states of its services; nil: it
// does not.
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

// A serviceGraph is services with what they wait for, sorted by their labels.
type serviceGraph struct {
	Project  string         `json:"project"`
	Services []*graphedNode `json:"services"`
}

type graphedNode struct {
	ID        project.ID           `json:"id"`
	Label     string               `json:"label"`
	State     control.ServiceState `json:"state,omitempty"` // where the project runs
	DependsOn []graphedEdge        `json:"dependsOn"`

	waitedFor bool
}

type graphedEdge struct {
	Service   project.ID        `json:"service"`
	Condition project.Condition `json:"condition"`
	Restart   bool              `json:"restart,omitempty"`

	to *graphedNode
}

// newServiceGraph is the graph of the services and of what they depend on; of all
// that are enabled without ids.
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
			to := nodes[id] // selected with n
			to.waitedFor = true
			n.DependsOn = append(n.DependsOn, graphedEdge{Service: id, Condition: d.Condition, Restart: d.Restart, to: to})
		}
		slices.SortFunc(n.DependsOn, func(a, b graphedEdge) int { return strings.Compare(a.to.Label, b.to.Label) })
	}
	return g
}

// text is what a node says of itself: its label, and its state if that is known.
func (n *graphedNode) text() string {
	if n.State == "" {
		return n.Label
	}
	return n.Label + " [" + string(n.State) + "]"
}

// text is what an edge says: what is waited for, and whether a restart is passed on.
func (e graphedEdge) text() string {
	if e.Restart {
		return string(e.Condition) + ", restarts with it"
	}
	return string(e.Condition)
}

// writeTree shows each service below every one that waits for it; what it waits for
// itself stands there the first time only.
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

// writeDot is the graph in the language of Graphviz.
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

// writeMermaid is the graph in the language of Mermaid, whose names are plain words.
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
