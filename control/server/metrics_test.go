package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// reading is one with everything.
func reading(context.Context, []supervisor.Counts) (server.Reading, error) {
	return server.Reading{
		Usage: control.Usage{
			Services: []control.ServiceUsage{{ID: "api", PIDs: []int{1, 2}, Memory: 4096, Threads: 3, Files: 5, GPU: []control.GPUShare{{Index: 0, UUID: "GPU-1", Memory: 1 << 30}}}},
			GPUs:     []control.GPU{{Index: 0, UUID: "GPU-1", Name: `H"100`, Memory: 80 << 30, Used: 2 << 30}, {Index: 1, UUID: "GPU-2", Name: "old", Memory: -1, Used: -1}},
		},
		CPU:  map[project.ID]time.Duration{"api": 1500 * time.Millisecond},
		Logs: map[project.ID]servicelog.Count{"api": {Bytes: 100, Lines: 10, Lost: 1}},
		Self: server.Self{CPU: time.Second, Memory: 1 << 20, Virtual: 2 << 20, Files: 9, MaxFiles: 1024, Started: time.Unix(1700000000, 500e6)},
	}, nil
}

// serveMetrics serves metrics of which every family has a sample.
func serveMetrics(t *testing.T) *http.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: newFake(), Resolve: (*project.Project).ResolveAll, Measure: reading, Version: "1\\2\n3"})
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close(); os.RemoveAll(dir) })
	return overSocket(t, filepath.Join(dir, "s"))
}

func TestMetrics(t *testing.T) {
	_, text := ask(t, serveMetrics(t), "GET", "http://x/metrics", "")
	for _, want := range []string{
		`nix2gpu_build_info{version="1\\2\n3"} 1`,
		`nix2gpu_service_state{service="api",type="custom",state="waiting"} 1`,
		`nix2gpu_service_exits_total{service="api",reason="oom"} 2`,
		`nix2gpu_service_exits_total{service="api",reason="completed"} 0`,
		`nix2gpu_service_ready_duration_seconds_bucket{service="api",le="0.5"} 1`,
		`nix2gpu_service_ready_duration_seconds_bucket{service="api",le="1"} 1`,
		`nix2gpu_service_ready_duration_seconds_bucket{service="api",le="+Inf"} 3`,
		`nix2gpu_service_ready_duration_seconds_sum{service="api"} 9.25`,
		`nix2gpu_service_ready_duration_seconds_count{service="api"} 3`,
		`nix2gpu_service_probe_duration_seconds_bucket{service="api",probe="readiness",le="0.1"} 5`,
		`nix2gpu_service_probe_failures_total{service="api",probe="readiness"} 2`,
		`nix2gpu_service_cpu_seconds_total{service="api"} 1.5`,
		`nix2gpu_service_log_lost_lines_total{service="api"} 1`,
		`nix2gpu_service_gpu_memory_bytes{service="api",gpu="0",uuid="GPU-1"} 1.073741824e+09`,
		`nix2gpu_gpu_memory_bytes{gpu="0",uuid="GPU-1",name="H\"100"} 8.589934592e+10`,
		`process_start_time_seconds 1.7000000005e+09`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, "GPU-2") {
		t.Error("memory that is not known is a number")
	}
	types := 0
	for _, f := range server.Families() {
		if !strings.Contains(text, "# TYPE "+f.Name+" "+f.Type+"\n") && f.Name != "nix2gpu_service_start_time_seconds" {
			t.Errorf("there is no sample of %s", f.Name)
		}
		types++
		switch counter := strings.HasSuffix(f.Name, "_total"); {
		case counter != (f.Type == "counter"):
			t.Errorf("%s is a %s", f.Name, f.Type)
		case !strings.HasSuffix(f.Help, ".") || f.Help == "":
			t.Errorf("the help of %s is %q", f.Name, f.Help)
		}
	}
	if types < 20 {
		t.Errorf("only %d families", types)
	}
}

// metricsPage is their reference.
func metricsPage() string {
	var b strings.Builder
	b.WriteString(`# Metrics

This page is made from the program itself. [Watch a project with Prometheus](../how-to/metrics.md)
shows how to have them; [grafana.json](grafana.json) is a dashboard of them.

The label ` + "`service`" + ` is the id of a service. What is measured is measured for each scrape; what
nobody scrapes costs nothing. Values of GPUs are at most 10 seconds old.

| metric | type | labels | |
|---|---|---|---|
`)
	for _, f := range server.Families() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(f.Labels, ", "), f.Help)
	}
	b.WriteString("\nThe reasons of `nix2gpu_service_exits_total`:\n\n| reason | |\n|---|---|\n")
	reasons := supervisor.ExitReasons()
	names := []string{}
	for r := range reasons {
		names = append(names, string(r))
	}
	slices.Sort(names)
	for _, r := range names {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r, reasons[supervisor.ExitReason(r)])
	}
	return b.String()
}

func TestMetricsReferenceIsFresh(t *testing.T) {
	const path = "../../docs/reference/metrics.md"
	if testkit.Updating() {
		if err := os.WriteFile(path, []byte(metricsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != metricsPage() {
		t.Errorf("%s is stale (%v): go test ./control/server -run TestMetricsReferenceIsFresh -update", path, err)
	}
}

// The dashboard asks for metrics that there are, and by labels that they have.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	data, err := os.ReadFile("../../docs/reference/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	_, text := ask(t, serveMetrics(t), "GET", "http://x/metrics", "")
	name := regexp.MustCompile(`\b(?:nix2gpu|process|go)_[a-z0-9_]+`)
	by := regexp.MustCompile(`by ?\(([a-z, ]+)\)`)
	asked := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			for _, n := range name.FindAllString(target.Expr, -1) {
				asked++
				if !strings.Contains(text, "\n"+n+"{") && !strings.Contains(text, "\n"+n+" ") {
					t.Errorf("%s: there is no metric %s", p.Title, n)
				}
			}
			for _, m := range by.FindAllStringSubmatch(target.Expr, -1) {
				for _, label := range strings.Split(m[1], ", ") {
					if !strings.Contains(text, label+`="`) {
						t.Errorf("%s: there is no label %s", p.Title, label)
					}
				}
			}
		}
	}
	if asked < 10 {
		t.Errorf("it asks for %d metrics only", asked)
	}
}
