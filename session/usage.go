package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/gpu"
	"nix2gpu/process"
	"nix2gpu/project"
)

// usage looks up what services use now. It runs only on request, since it reads much
// of /proc.
func (s *session) usage(ctx context.Context, gpus bool) (control.Usage, error) {
	p, err := s.engine.Project(ctx)
	if err != nil {
		return control.Usage{}, err
	}
	u := control.Usage{At: time.Now(), Services: []control.ServiceUsage{}}
	owners := map[int]project.ID{}
	all := map[project.ID]*control.ServiceUsage{}
	for _, use := range s.host.Usage() {
		proc := p.Processes[project.ID(use.Name)]
		if proc == nil || p.Services[proc.Service] == nil {
			continue // a probe, or a process of a service that a reload has removed
		}
		own := all[proc.Service]
		if own == nil {
			own = &control.ServiceUsage{ID: proc.Service, Label: p.Services[proc.Service].Label}
			all[proc.Service] = own
		}
		own.PIDs = append(own.PIDs, use.PIDs...)
		for _, p := range use.Procs {
			own.Processes = append(own.Processes, control.ProcessInfo{PID: p.PID, Parent: p.Parent, Command: p.Command})
		}
		own.CPU += project.Duration(use.CPU)
		own.Memory += use.Memory
		own.Threads += use.Threads
		if own.Files < 0 || use.Files < 0 {
			own.Files = -1
		} else {
			own.Files += use.Files
		}
		for _, pid := range use.PIDs {
			owners[pid] = proc.Service
		}
	}
	if gpus {
		if err := s.gpuUsage(ctx, &u, all, owners); err != nil {
			return control.Usage{}, err
		}
	}
	// Each of the kernel's tables lists the sockets of all processes: read them once.
	for _, socket := range process.Sockets(slices.Sorted(maps.Keys(owners))) {
		own := all[owners[socket.PID]]
		own.Listens = append(own.Listens, control.Listen{
			Protocol: socket.Protocol, Address: socket.Addr.Addr().String(), Port: int(socket.Addr.Port()), PID: socket.PID, Apart: socket.Apart})
	}
	for _, own := range all {
		slices.Sort(own.PIDs)
		u.Services = append(u.Services, *own)
	}
	sort.SliceStable(u.Services, func(i, j int) bool {
		a, b := u.Services[i], u.Services[j]
		return cmp.Or(strings.Compare(a.Label, b.Label), cmp.Compare(a.ID, b.ID)) < 0
	})
	return u, nil
}

// gpuUsage adds what is known about GPUs. Without nvidia-smi it adds nothing. The error
// is that of ctx.
func (s *session) gpuUsage(ctx context.Context, u *control.Usage, all map[project.ID]*control.ServiceUsage, owners map[int]project.ID) error {
	cards, err := gpu.Cards(ctx, s.GPU)
	var apps []gpu.App
	if err == nil {
		apps, err = gpu.Apps(ctx, s.GPU)
	}
	var e *gpu.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &e) && e.Kind == gpu.Missing:
		return nil
	case errors.As(err, &e):
		u.Notes = append(u.Notes, e.InLine())
	case err != nil:
		u.Notes = append(u.Notes, err.Error())
	}
	index := map[string]int{}
	for _, c := range cards {
		index[c.UUID] = c.Index
		u.GPUs = append(u.GPUs, control.GPU{Index: c.Index, UUID: c.UUID, Name: c.Name, Memory: c.Memory, Used: c.Used})
	}
	// nvidia-smi prints the host's pids or, with newer drivers (580.159.04), those of
	// our own namespace. The host's may happen to be that of a process of ours, but that
	// one has no device open.
	hostPIDs := process.HostPIDs()
	used, others := gpu.Share(apps, func(pid int) (string, bool) {
		id, ok := owners[pid]
		return string(id), ok && (hostPIDs || process.HasOpen(pid, "/dev/nvidia") || process.HasOpen(pid, gpu.WSLDevice))
	})
	for id, shares := range used {
		own := all[project.ID(id)]
		for uuid, memory := range shares {
			own.GPU = append(own.GPU, control.GPUShare{Index: index[uuid], UUID: uuid, Memory: memory})
		}
		sort.SliceStable(own.GPU, func(i, j int) bool { return own.GPU[i].Index < own.GPU[j].Index })
	}
	if others.Programs > 0 {
		u.Notes = append(u.Notes, othersNote(others, hostPIDs))
	}
	if len(gpu.Devices("/")) == 0 {
		return nil
	}
	xids, err := gpu.Xids(gpu.Kmsg, gpu.Uptime()-time.Since(s.engine.Snapshot().Since))
	if err != nil {
		u.Notes = append(u.Notes, fmt.Sprintf("Xid errors of the driver are not seen: %s: %v; %s", gpu.Kmsg, err, gpu.KmsgHint))
	}
	for _, x := range xids {
		u.Notes = append(u.Notes, x.String())
	}
	return nil
}

// othersNote describes the use of GPUs that can't be attributed to a service.
func othersNote(others gpu.Others, hostPIDs bool) string {
	who, belong := "1 program holds", "belongs"
	if others.Programs > 1 {
		who, belong = fmt.Sprintf("%d programs hold", others.Programs), "belong"
	}
	what := "memory"
	if others.Used > 0 {
		what = gpu.Bytes(others.Used)
	}
	if hostPIDs {
		return fmt.Sprintf("%s %s of the GPUs and %s to no service here", who, what, belong)
	}
	return fmt.Sprintf("%s %s of the GPUs, and of which service is not known: nvidia-smi tells the host's process numbers; run with --pid=host to see them by service", who, what)
}
