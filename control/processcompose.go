package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"nix2gpu/project"
)

// A ProcessState is a service as process-compose describes a process. Names and words are
// those of that program's API: its document src/docs/swagger.json (types.ProcessState),
// and the words of its states in its documentation of processes' states.
type ProcessState struct {
	Name       string        `json:"name"`
	Namespace  Namespaces    `json:"namespace"`
	Status     string        `json:"status"`
	SystemTime string        `json:"system_time"` // Age in words
	Age        time.Duration `json:"age"`
	IsReady    string        `json:"is_ready"` // "Ready", "Not Ready" or "-"
	HasProbe   bool          `json:"has_ready_probe"`
	Restarts   int           `json:"restarts"`
	ExitCode   int           `json:"exit_code"`
	PID        int           `json:"pid"`
	IsElevated bool          `json:"is_elevated"`
	Password   bool          `json:"password_provided"`
	Memory     int64         `json:"mem"` // bytes
	CPU        float64       `json:"cpu"` // per cent of one processor, since the start
	IsRunning  bool          `json:"is_running"`
	NextRun    *time.Time    `json:"next_run_time,omitempty"`
	Watched    bool          `json:"is_watched,omitempty"`
	Touched    string        `json:"watch_trigger_path,omitempty"`
	TouchedAt  *time.Time    `json:"watch_trigger_time,omitempty"`
	Started    *time.Time    `json:"process_start_time,omitempty"`
	Ready      *time.Time    `json:"process_ready_time,omitempty"`
	Ended      *time.Time    `json:"process_end_time,omitempty"`
}

// Namespaces are those of a process. In JSON one alone is a string.
type Namespaces []string

// MarshalJSON writes a string or a list.
func (n Namespaces) MarshalJSON() ([]byte, error) {
	if len(n) == 1 {
		return json.Marshal(n[0])
	}
	return json.Marshal([]string(n))
}

// UnmarshalJSON reads a string or a list.
func (n *Namespaces) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*n = Namespaces{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(n))
}

// SplitNames parts names that are separated by commas, as process-compose takes them. A
// known name that has commas itself is one: of several ways, the longest name counts.
func SplitNames(text string, known []string) (names []string) {
	commas := 0 // of a name: text may come from anybody, and trying each of its parts with each is for ever
	for _, name := range known {
		commas = max(commas, strings.Count(name, ","))
	}
	parts := strings.Split(text, ",")
	for i := 0; i < len(parts); i++ {
		name := strings.TrimSpace(parts[i])
		for j := min(len(parts), i+1+commas); j > i+1; j-- {
			if long := strings.TrimSpace(strings.Join(parts[i:j], ",")); slices.Contains(known, long) {
				name, i = long, j-1
				break
			}
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// DefaultNamespace is where a process is that names none.
const DefaultNamespace = "default"

// NamespacesOf returns the namespaces of a service.
func NamespacesOf(s *Service) Namespaces {
	if s.Namespace == "" {
		return Namespaces{DefaultNamespace}
	}
	return strings.Split(s.Namespace, ",")
}

// NewProcessState describes a service at a moment, with what it uses, if that is known.
func NewProcessState(s *Service, at time.Time, usage *ServiceUsage) ProcessState {
	out := ProcessState{
		Name: s.Label, Namespace: NamespacesOf(s), Status: processStatus(s), IsReady: "-",
		HasProbe: s.Health != "", Restarts: s.Restarts, PID: s.PID, IsElevated: s.Elevated, IsRunning: s.State.Live(),
	}
	if s.Health != "" {
		out.IsReady = "Not Ready"
		if s.State == Running {
			out.IsReady = "Ready"
		}
	}
	if s.Exit != nil {
		out.ExitCode = s.Exit.Code
	}
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	out.Started = moment(s.Started)
	switch {
	case out.IsRunning && !s.Started.IsZero():
		out.Age = at.Sub(s.Started)
		out.SystemTime = out.Age.Round(time.Second).String()
		if s.State == Running {
			out.Ready = moment(s.Since)
		}
	case s.Exit != nil && s.State.Rests():
		out.Ended = moment(s.Since)
	}
	out.Watched, out.Touched, out.TouchedAt = s.Watched, s.Touched, moment(s.TouchedAt)
	if s.State == Scheduled {
		out.NextRun = moment(s.Next)
	}
	if usage != nil {
		out.Memory = usage.Memory
		if out.Age > 0 {
			out.CPU = 100 * float64(usage.CPU) / float64(project.Duration(out.Age))
		}
	}
	return out
}

// processStatus returns process-compose's word for the state of a service.
func processStatus(s *Service) string {
	switch s.State {
	case Waiting:
		return "Pending"
	case Init:
		return "Launching"
	case Starting, Setup, Running, Unready:
		switch { // of a daemon
		case s.Launched:
			return "Launched"
		case s.Daemon:
			return "Launching"
		}
		return "Running"
	case Backoff, Restarting, Ending:
		return "Restarting"
	case Stopping:
		return "Terminating"
	case Completed, Stopped:
		if s.Disabled && s.Starts == 0 {
			return "Disabled"
		}
		if s.State == Completed && s.Watched {
			return "Watching"
		}
		return "Completed"
	case Failed:
		return "Error"
	case Skipped:
		return "Skipped"
	case Scheduled:
		return "Scheduled"
	}
	return string(s.State)
}

// A ProjectState is what process-compose tells of a project as a whole.
type ProjectState struct {
	Files     []string      `json:"fileNames"`
	UpTime    time.Duration `json:"upTime"`
	Started   time.Time     `json:"startTime"`
	Processes int           `json:"processNum"`
	Running   int           `json:"runningProcessNum"`
	User      string        `json:"userName"`
	Version   string        `json:"version"`
	Project   string        `json:"projectName"`
	Memory    *MemoryState  `json:"memoryState,omitempty"` // on request
}

// A MemoryState is the memory of a supervisor, in units of 1<<20 bytes.
type MemoryState struct {
	Allocated uint64 `json:"allocated"`
	Total     uint64 `json:"totalAllocated"`
	System    uint64 `json:"systemMemory"`
	Cycles    uint32 `json:"gcCycles"`
}

// A ProcessGraph is a Graph as process-compose describes it: what each process that
// nothing depends on depends on, nested. Processes without any dependency, in either
// direction, are left out.
type ProcessGraph struct {
	Nodes map[string]*ProcessNode `json:"nodes"`
}

// A ProcessNode is a process of a ProcessGraph.
type ProcessNode struct {
	Name      string                  `json:"name"`
	Status    string                  `json:"process_status"`
	IsReady   string                  `json:"is_ready"`
	DependsOn map[string]*ProcessNode `json:"depends_on,omitempty"`
	Type      string                  `json:"dependency_type,omitempty"` // the condition, of a dependency
}

// maxProcessNodes bounds a ProcessGraph: a process is in it once for each way to it, of
// which there can be exponentially many.
const maxProcessNodes = 10_000

// NewProcessGraph nests a graph.
func NewProcessGraph(g *Graph, services []Service) (*ProcessGraph, error) {
	states, nodes, below, never := map[project.ID]ProcessState{}, map[project.ID]*GraphNode{}, map[project.ID]bool{}, map[project.ID]bool{}
	for i := range services {
		never[services[i].ID] = services[i].NeverRan()
		states[services[i].ID] = NewProcessState(&services[i], time.Time{}, nil)
	}
	for i := range g.Services {
		nodes[g.Services[i].ID] = &g.Services[i]
		for _, e := range g.Services[i].DependsOn {
			below[e.Service] = true
		}
	}
	left := maxProcessNodes
	var nest func(n *GraphNode) *ProcessNode
	nest = func(n *GraphNode) *ProcessNode {
		out := &ProcessNode{Name: n.Label, Status: states[n.ID].Status, IsReady: states[n.ID].IsReady}
		for _, e := range n.DependsOn {
			if left--; left < 0 || nodes[e.Service] == nil {
				continue
			}
			to := nest(nodes[e.Service])
			to.Type = strings.TrimPrefix(e.Condition.ProcessCompose(), "process_")
			if out.DependsOn == nil {
				out.DependsOn = map[string]*ProcessNode{}
			}
			out.DependsOn[to.Name] = to
		}
		return out
	}
	out := &ProcessGraph{Nodes: map[string]*ProcessNode{}}
	for i := range g.Services {
		if n := &g.Services[i]; !below[n.ID] && len(n.DependsOn) > 0 && !never[n.ID] {
			out.Nodes[n.Label] = nest(n)
		}
	}
	if left < 0 {
		return nil, &Error{Code: CodeConflict, Msg: fmt.Sprintf("the graph has more than %d ways, each of which process-compose's form repeats", maxProcessNodes), Hint: "GET /v1/graph has each service once"}
	}
	return out, nil
}
