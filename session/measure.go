package session

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// GPUs are asked for by a program, nvidia-smi, which can take long, or hang when a GPU
// is broken: at most so often for metrics, and for so long.
const (
	gpuReadingEvery = 10 * time.Second
	gpuReadingLimit = 4 * time.Second
)

// A meter measures what metrics need.
type meter struct {
	mu      sync.Mutex
	cpu     map[project.ID]time.Duration // the most that was seen: a counter never goes back
	gpusAt  time.Time
	gpus    []control.GPU
	shares  map[project.ID][]control.GPUShare
	started time.Time // when this process was; zero: not looked up yet
}

// measure measures for a scrape.
func (s *session) measure(ctx context.Context, counts []supervisor.Counts) (server.Reading, error) {
	p, err := s.engine.Project(ctx)
	if err != nil {
		return server.Reading{}, err
	}
	m := &s.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	read := server.Reading{CPU: map[project.ID]time.Duration{}}
	if read.Usage, err = s.usageWithGPUs(ctx); err != nil {
		return read, err
	}
	for _, n := range counts {
		read.CPU[n.ID] = n.CPU
	}
	for _, use := range s.host.Usage() {
		if proc := p.Processes[project.ID(use.Name)]; proc != nil {
			if _, known := read.CPU[proc.Service]; known {
				read.CPU[proc.Service] += use.CPU + use.Waited
			}
		}
	}
	if m.cpu == nil {
		m.cpu = map[project.ID]time.Duration{}
	}
	for id, cpu := range read.CPU { // what orphans have used is in no account once they have gone
		m.cpu[id] = max(m.cpu[id], cpu)
		read.CPU[id] = m.cpu[id]
	}
	read.Logs = s.logCounts(p)
	read.Self = m.self()
	return read, nil
}

// logCounts returns how much the processes of each service have printed.
func (s *session) logCounts(p *project.Project) map[project.ID]servicelog.Count {
	logs := map[project.ID]servicelog.Count{}
	for source, n := range s.hub.Counts() {
		proc := p.Processes[project.ID(source)]
		if proc == nil {
			continue
		}
		all := logs[proc.Service]
		logs[proc.Service] = servicelog.Count{Bytes: all.Bytes + n.Bytes, Lines: all.Lines + n.Lines, Lost: all.Lost + n.Lost, Dropped: all.Dropped + n.Dropped,
			RemovedFiles: all.RemovedFiles + n.RemovedFiles, RemovedBytes: all.RemovedBytes + n.RemovedBytes}
	}
	return logs
}

// usageWithGPUs is the usage with what is known of GPUs, which may be some seconds old.
func (s *session) usageWithGPUs(ctx context.Context) (control.Usage, error) {
	m := &s.meter
	if time.Since(m.gpusAt) < gpuReadingEvery {
		u, err := s.usage(ctx, false)
		u.GPUs = m.gpus
		for i := range u.Services {
			u.Services[i].GPU = m.shares[u.Services[i].ID]
		}
		return u, err
	}
	limited, cancel := context.WithTimeout(ctx, gpuReadingLimit)
	defer cancel()
	u, err := s.usage(limited, true)
	if err != nil && ctx.Err() == nil { // nvidia-smi hangs: the rest is there all the same
		u, err = s.usage(ctx, false)
	}
	if err != nil {
		return u, err
	}
	m.gpusAt, m.gpus, m.shares = time.Now(), u.GPUs, map[project.ID][]control.GPUShare{}
	for _, svc := range u.Services {
		m.shares[svc.ID] = svc.GPU
	}
	return u, nil
}

// self is what this process uses.
func (m *meter) self() server.Self {
	pid := os.Getpid()
	var self server.Self
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		self.Files = len(fds)
	}
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) == nil {
		self.CPU = time.Duration(use.Utime.Nano() + use.Stime.Nano())
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		self.MaxFiles = limit.Cur
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(statm)); len(f) > 1 {
			page := int64(unix.Getpagesize())
			virtual, _ := strconv.ParseInt(f[0], 10, 64)
			resident, _ := strconv.ParseInt(f[1], 10, 64)
			self.Virtual, self.Memory = virtual*page, resident*page
		}
	}
	if m.started.IsZero() {
		m.started = process.StartedAt(pid)
	}
	self.Started = m.started
	return self
}
