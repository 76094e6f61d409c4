package control

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"nix2gpu/project"
)

// A Graph says what each service waits for before it starts. The services are sorted by
// label.
type Graph struct {
	Project  string      `json:"project"`
	Services []GraphNode `json:"services"`
}

// A GraphNode is one service of a Graph.
type GraphNode struct {
	ID        project.ID   `json:"id"`
	Label     string       `json:"label"`
	State     ServiceState `json:"state,omitempty"` // of a running project
	DependsOn []GraphEdge  `json:"dependsOn"`       // by label
}

// A GraphEdge is a dependency of a service.
type GraphEdge struct {
	Service   project.ID        `json:"service"`
	Condition project.Condition `json:"condition"`
	Restart   bool              `json:"restart,omitempty"` // a restart of the dependency restarts the service
}

// NewGraph makes the graph of services and all that they depend on. Without ids it holds
// all enabled services.
func NewGraph(p *project.Project, ids []project.ID, states map[project.ID]ServiceState) *Graph {
	if len(ids) == 0 {
		ids = p.Enabled()
	}
	label := func(id project.ID) string { return p.Services[id].Label }
	g := &Graph{Project: p.Name, Services: []GraphNode{}}
	for _, id := range p.Select(ids, false) {
		n := GraphNode{ID: id, Label: label(id), State: states[id], DependsOn: []GraphEdge{}}
		for _, dep := range slices.Sorted(maps.Keys(p.Services[id].DependsOn)) {
			d := p.Services[id].DependsOn[dep]
			n.DependsOn = append(n.DependsOn, GraphEdge{Service: dep, Condition: d.Condition, Restart: d.Restart})
		}
		sort.SliceStable(n.DependsOn, func(i, j int) bool {
			a, b := n.DependsOn[i], n.DependsOn[j]
			return strings.Compare(label(a.Service), label(b.Service)) < 0
		})
		g.Services = append(g.Services, n)
	}
	sort.SliceStable(g.Services, func(i, j int) bool {
		a, b := g.Services[i], g.Services[j]
		return strings.Compare(a.Label, b.Label) < 0
	})
	return g
}
