package server

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// metricsMedia is the media type of Prometheus' text format.
const metricsMedia = "text/plain; version=0.0.4; charset=utf-8"

// A Reading is what is measured for one scrape.
type Reading struct {
	Usage control.Usage
	CPU   map[project.ID]time.Duration // of all processes that a service ever had; it never goes back
	Logs  map[project.ID]servicelog.Count
	Self  Self
}

// Self is what the supervisor itself uses.
type Self struct {
	CPU      time.Duration
	Memory   int64 // resident, in bytes
	Virtual  int64
	Files    int
	MaxFiles uint64
	Started  time.Time
}

// A Family is one metric, with all its label values.
type Family struct {
	Name   string
	Type   string // counter, gauge or histogram
	Labels []string
	Help   string
}

// Families is the reference of the metrics, in the order in which they are written. Names
// and units follow Prometheus' conventions.
func Families() []Family {
	service := []string{"service"}
	with := func(more ...string) []string { return append([]string{"service"}, more...) }
	return []Family{
		{"nix2gpu_build_info", "gauge", []string{"version"}, "Always 1; the label is the version of nix2gpu."},
		{"nix2gpu_healthy", "gauge", nil, "Whether every service that was asked for is ready or has completed."},
		{"nix2gpu_start_time_seconds", "gauge", nil, "When the project was started, in seconds since 1970."},
		{"nix2gpu_service_state", "gauge", with("type", "state"), "Always 1; the label state is the state of the service."},
		{"nix2gpu_service_healthy", "gauge", service, "Whether the service is ready or has completed."},
		{"nix2gpu_service_wanted", "gauge", service, "Whether the service is part of what was asked to run."},
		{"nix2gpu_service_starts_total", "counter", service, "Starts of the main process."},
		{"nix2gpu_service_restarts_total", "counter", service, "Automatic restarts."},
		{"nix2gpu_service_exits_total", "counter", with("reason"), "Ends of the main process, by what ended it."},
		{"nix2gpu_service_start_time_seconds", "gauge", service, "When the main process was started, in seconds since 1970."},
		{"nix2gpu_service_ready_duration_seconds", "histogram", service, "Time from the beginning of a start until the service was ready."},
		{"nix2gpu_service_probe_duration_seconds", "histogram", with("probe"), "Time that a check of a probe took."},
		{"nix2gpu_service_probe_failures_total", "counter", with("probe"), "Checks of a probe that did not pass."},
		{"nix2gpu_service_cpu_seconds_total", "counter", service, "Processor time of all processes that the service has had."},
		{"nix2gpu_service_resident_memory_bytes", "gauge", service, "Resident memory of the processes of the service; what several share counts for each."},
		{"nix2gpu_service_processes", "gauge", service, "Processes of the service."},
		{"nix2gpu_service_threads", "gauge", service, "Threads of the processes of the service."},
		{"nix2gpu_service_open_fds", "gauge", service, "Open descriptors of the processes of the service, if we may look at all of them."},
		{"nix2gpu_service_log_bytes_total", "counter", service, "Bytes that the service has printed."},
		{"nix2gpu_service_log_lines_total", "counter", service, "Lines that the service has printed."},
		{"nix2gpu_service_log_lost_lines_total", "counter", service, "Lines that could not be kept in the log."},
		{"nix2gpu_service_log_dropped_lines_total", "counter", service, "Lines that were dropped by the rate limit of the log."},
		{"nix2gpu_service_log_removed_bytes_total", "counter", service, "Bytes of older log files that its limits have removed."},
		{"nix2gpu_service_gpu_memory_bytes", "gauge", with("gpu", "uuid"), "Memory of a GPU that the service holds, as far as nvidia-smi tells."},
		{"nix2gpu_gpu_memory_bytes", "gauge", []string{"gpu", "uuid", "name"}, "Memory of a GPU."},
		{"nix2gpu_gpu_memory_used_bytes", "gauge", []string{"gpu", "uuid", "name"}, "Memory of a GPU that is in use, by whomever."},
		{"process_cpu_seconds_total", "counter", nil, "Processor time of the supervisor."},
		{"process_resident_memory_bytes", "gauge", nil, "Resident memory of the supervisor."},
		{"process_virtual_memory_bytes", "gauge", nil, "Virtual memory of the supervisor."},
		{"process_open_fds", "gauge", nil, "Open descriptors of the supervisor."},
		{"process_max_fds", "gauge", nil, "How many descriptors the supervisor may have open."},
		{"process_start_time_seconds", "gauge", nil, "When the supervisor was started, in seconds since 1970."},
		{"go_goroutines", "gauge", nil, "Goroutines of the supervisor."},
		{"go_memstats_heap_alloc_bytes", "gauge", nil, "Bytes of objects on the heap of the supervisor."},
	}
}

// getMetrics answers a scrape. All is read for it: what nobody scrapes costs nothing.
func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	text, err := s.metrics(r.Context())
	if err != nil {
		return err
	}
	out := patient{w: w, to: http.NewResponseController(w)}
	w.Header().Set("Content-Type", metricsMedia)
	out.Write(text) // a reader that went away has no use for the error
	return nil
}

func (s *Server) metrics(ctx context.Context) ([]byte, error) {
	counts, err := s.opts.Engine.Counts(ctx)
	if err != nil {
		return nil, err
	}
	var read Reading
	if s.opts.Measure != nil {
		if read, err = s.opts.Measure(ctx, counts); err != nil {
			return nil, err
		}
	}
	m := newSamples()
	snap := s.opts.Engine.Snapshot()
	m.add("nix2gpu_build_info", 1, s.opts.Version)
	m.add("nix2gpu_healthy", truth(snap.Healthy))
	m.add("nix2gpu_start_time_seconds", unix1970(snap.Since))
	never := map[project.ID]bool{} // further runs that nobody has seen
	for i := range snap.Services {
		if st := &snap.Services[i]; st.NeverRan() {
			never[st.ID] = true
		} else {
			m.service(st)
		}
	}
	for _, n := range counts {
		if !never[n.ID] {
			m.counts(n)
		}
	}
	m.usage(read)
	m.self(read.Self)
	return m.text(), nil
}

// samples are the lines of an answer, by family.
type samples struct {
	labels map[string][]string // of each family
	lines  map[string][]string
}

func newSamples() samples {
	m := samples{map[string][]string{}, map[string][]string{}}
	for _, f := range Families() {
		m.labels[f.Name] = f.Labels
	}
	return m
}

// add adds a sample, with the values of the family's labels.
func (m samples) add(family string, value float64, labels ...string) {
	m.lines[family] = append(m.lines[family], sample(family, m.labels[family], labels, value))
}

// histogram adds the samples of a histogram.
func (m samples) histogram(family string, h supervisor.Histogram, labels ...string) {
	if h.Buckets == nil {
		return
	}
	names := m.labels[family]
	lines := m.lines[family]
	var sum uint64
	for i, n := range h.Buckets {
		bound := math.Inf(1)
		if i < len(h.Bounds) {
			bound = h.Bounds[i]
		}
		sum += n
		lines = append(lines, sample(family+"_bucket", slices.Concat(names, []string{"le"}), slices.Concat(labels, []string{number(bound)}), float64(sum)))
	}
	m.lines[family] = append(lines, sample(family+"_sum", names, labels, h.Sum), sample(family+"_count", names, labels, float64(sum)))
}

func (m samples) service(svc *control.Service) {
	id := string(svc.ID)
	m.add("nix2gpu_service_state", 1, id, svc.Type, string(svc.State))
	m.add("nix2gpu_service_healthy", truth(svc.Healthy()), id)
	m.add("nix2gpu_service_wanted", truth(svc.Wanted), id)
	m.add("nix2gpu_service_starts_total", float64(svc.Starts), id)
	m.add("nix2gpu_service_restarts_total", float64(svc.Restarts), id)
	if svc.PID != 0 {
		m.add("nix2gpu_service_start_time_seconds", unix1970(svc.Started), id)
	}
}

func (m samples) counts(n supervisor.Counts) {
	id := string(n.ID)
	for reason := range supervisor.ExitReasons() { // also those that have not occurred, so that a rate knows the first
		m.add("nix2gpu_service_exits_total", float64(n.Exits[reason]), id, string(reason))
	}
	m.histogram("nix2gpu_service_ready_duration_seconds", n.Ready, id)
	for role, p := range n.Probes {
		m.histogram("nix2gpu_service_probe_duration_seconds", p.Took, id, string(role))
		m.add("nix2gpu_service_probe_failures_total", float64(p.Failed), id, string(role))
	}
}

func (m samples) usage(read Reading) {
	for id, cpu := range read.CPU {
		m.add("nix2gpu_service_cpu_seconds_total", cpu.Seconds(), string(id))
	}
	for id, n := range read.Logs {
		m.add("nix2gpu_service_log_bytes_total", float64(n.Bytes), string(id))
		m.add("nix2gpu_service_log_lines_total", float64(n.Lines), string(id))
		m.add("nix2gpu_service_log_lost_lines_total", float64(n.Lost), string(id))
		m.add("nix2gpu_service_log_dropped_lines_total", float64(n.Dropped), string(id))
		m.add("nix2gpu_service_log_removed_bytes_total", float64(n.RemovedBytes), string(id))
	}
	for _, u := range read.Usage.Services {
		id := string(u.ID)
		m.add("nix2gpu_service_resident_memory_bytes", float64(u.Memory), id)
		m.add("nix2gpu_service_processes", float64(len(u.PIDs)), id)
		m.add("nix2gpu_service_threads", float64(u.Threads), id)
		if u.Files >= 0 {
			m.add("nix2gpu_service_open_fds", float64(u.Files), id)
		}
		for _, g := range u.GPU {
			m.add("nix2gpu_service_gpu_memory_bytes", float64(g.Memory), id, strconv.Itoa(g.Index), g.UUID)
		}
	}
	for _, g := range read.Usage.GPUs {
		if g.Memory >= 0 {
			m.add("nix2gpu_gpu_memory_bytes", float64(g.Memory), strconv.Itoa(g.Index), g.UUID, g.Name)
		}
		if g.Used >= 0 {
			m.add("nix2gpu_gpu_memory_used_bytes", float64(g.Used), strconv.Itoa(g.Index), g.UUID, g.Name)
		}
	}
}

func (m samples) self(self Self) {
	if !self.Started.IsZero() {
		m.add("process_cpu_seconds_total", self.CPU.Seconds())
		m.add("process_resident_memory_bytes", float64(self.Memory))
		m.add("process_virtual_memory_bytes", float64(self.Virtual))
		m.add("process_open_fds", float64(self.Files))
		m.add("process_max_fds", float64(self.MaxFiles))
		m.add("process_start_time_seconds", unix1970(self.Started))
	}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	m.add("go_goroutines", float64(runtime.NumGoroutine()))
	m.add("go_memstats_heap_alloc_bytes", float64(heap[0].Value.Uint64()))
}

// text writes all samples. Those of one family stand together, sorted but for the buckets
// of a histogram, which are in order already.
func (m samples) text() []byte {
	var b bytes.Buffer
	for _, f := range Families() {
		lines := m.lines[f.Name]
		if len(lines) == 0 {
			continue
		}
		if f.Type != "histogram" {
			slices.Sort(lines)
		}
		b.WriteString("# HELP " + f.Name + " " + f.Help + "\n# TYPE " + f.Name + " " + f.Type + "\n")
		for _, line := range lines {
			b.WriteString(line)
		}
	}
	return b.Bytes()
}

// sample is one line.
func sample(name string, labels, values []string, value float64) string {
	var b strings.Builder
	b.WriteString(name)
	for i, label := range labels {
		if i == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(label + `="` + escapeLabel(values[i]) + `"`)
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" " + number(value) + "\n")
	return b.String()
}

// escapeLabel makes any text a label's value.
func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix1970(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
