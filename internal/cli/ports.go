package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
)

func newPorts(env *Env) *cobra.Command {
	var opts psOptions
	cmd := &cobra.Command{
		Use:   "ports [DEFINITION] [SERVICE...]",
		Short: "Show the ports of services: as defined, and as found",
		Long: `Shows the ports of the services of a running project: those that the definition gives
them, and those on which their processes listen now. "*" means all addresses.

A port that is not defined may belong to a plugin, or be open by mistake. UDP ports are
shown only if they are defined, because a client that has sent something looks the same.
A port in a network of its own is reached by the service alone.`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.take(cmd.Context(), env, args); err != nil {
				return err
			}
			return runPorts(cmd.Context(), env, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addOutputFlag(cmd, &opts.output, "table", "json")
	return cmd
}

func runPorts(ctx context.Context, env *Env, opts psOptions) error {
	services, usage, err := opts.use(ctx, env)
	if err != nil {
		return err
	}
	list := portsOf(services, usage.Services)
	if opts.output == "json" {
		return writeJSON(env.Stdout, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(env.Stderr, "no port is defined, and nobody listens")
		return nil
	}
	rows := [][]string{{"NAME", "ADDRESS", "PORT", "PROTOCOL", "STATE"}}
	for _, p := range list {
		rows = append(rows, []string{p.Label, p.Address, strconv.Itoa(p.Port), p.Protocol, p.state()})
	}
	writeColumns(env, rows)
	return nil
}

// A servicePort is a port that the definition gives a service, one on which the
// service listens, or both.
type servicePort struct {
	ID        project.ID `json:"id"`
	Label     string     `json:"label"`
	Protocol  string     `json:"protocol"`
	Address   string     `json:"address"` // where it listens, or else as defined; "*": all addresses
	Port      int        `json:"port"`
	Defined   bool       `json:"defined"`
	Listening bool       `json:"listening"`
	PID       int        `json:"pid,omitempty"`   // the process that listens
	Apart     bool       `json:"apart,omitempty"` // it listens in a network of its own

	service control.ServiceState
}

// state compares the definition of a port with what was found.
func (p *servicePort) state() string {
	switch {
	case p.Listening && p.Apart:
		return "listening, in a network of its own"
	case p.Listening && p.Defined:
		return "listening"
	case p.Listening:
		return "listening, not in the definition"
	case p.service.Live():
		return "nobody listens"
	}
	return "the service is " + string(p.service)
}

// portsOf merges the ports that are defined with those that were found.
func portsOf(services []control.Service, usage []control.ServiceUsage) []*servicePort {
	list := []*servicePort{}
	for _, s := range services {
		var found []control.Listen
		for _, u := range usage {
			if u.ID == s.ID {
				found = u.Listens
			}
		}
		used := make([]bool, len(found))
		for _, port := range s.Ports {
			p := &servicePort{ID: s.ID, Label: s.Label, Protocol: cmp.Or(port.Protocol, "tcp"), Address: anyAddress(cmp.Or(port.Address, "127.0.0.1")),
				Port: port.Port, Defined: true, service: s.State}
			var at []string
			for i, l := range found {
				if l.Port == port.Port && l.Protocol == p.Protocol {
					used[i], p.Listening, p.PID, p.Apart = true, true, l.PID, l.Apart
					at = append(at, anyAddress(l.Address))
				}
			}
			if len(at) > 0 {
				slices.Sort(at)
				p.Address = strings.Join(slices.Compact(at), ", ")
			}
			list = append(list, p)
		}
		for i, l := range found {
			if !used[i] && l.Protocol == "tcp" {
				list = append(list, &servicePort{ID: s.ID, Label: s.Label, Protocol: l.Protocol, Address: anyAddress(l.Address),
					Port: l.Port, Listening: true, PID: l.PID, Apart: l.Apart, service: s.State})
			}
		}
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return cmp.Or(strings.Compare(a.Label, b.Label), cmp.Compare(a.Port, b.Port), strings.Compare(a.Protocol, b.Protocol)) < 0
	})
	return slices.CompactFunc(list, func(a, b *servicePort) bool { // a port that is defined, or found, more than once
		return *a == *b || a.ID == b.ID && a.Port == b.Port && a.Protocol == b.Protocol && a.Defined && b.Defined && a.Listening
	})
}

// anyAddress returns an address, or "*" for one that stands for all.
func anyAddress(text string) string {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && ip.IsUnspecified() {
		return "*"
	}
	return text
}

// use asks for the services that were named, or all, and for their current usage, GPUs
// apart.
func (opts *psOptions) use(ctx context.Context, env *Env) ([]control.Service, *control.Usage, error) {
	if err := oneOf("output", opts.output, "table", "json"); err != nil {
		return nil, nil, err
	}
	c, state, err := askState(ctx, env, &opts.target)
	if err != nil {
		return nil, nil, err
	}
	usage, err := c.OwnUsage(ctx)
	if err != nil {
		return nil, nil, err
	}
	keepUsage(usage, state.Services)
	return state.Services, usage, nil
}

// keepUsage leaves in usage only these services.
func keepUsage(usage *control.Usage, services []control.Service) {
	usage.Services = slices.DeleteFunc(usage.Services, func(u control.ServiceUsage) bool {
		return !slices.ContainsFunc(services, func(s control.Service) bool { return s.ID == u.ID })
	})
}
