package project

import "iter"

// A ProbeRole is what a probe decides about a process.
type ProbeRole string

// The roles. Readiness decides whether dependants may start, liveness whether the
// process is restarted. Neither begins before the startup probe has succeeded.
const (
	ReadinessProbe ProbeRole = "readiness"
	LivenessProbe  ProbeRole = "liveness"
	StartupProbe   ProbeRole = "startup"
)

// Probes yields the probes that the process has, in a fixed order of roles.
func (q *Process) Probes() iter.Seq2[ProbeRole, *Probe] {
	return func(yield func(ProbeRole, *Probe) bool) {
		for _, pr := range []struct {
			role  ProbeRole
			probe *Probe
		}{{ReadinessProbe, q.Readiness}, {LivenessProbe, q.Liveness}, {StartupProbe, q.Startup}} {
			if pr.probe != nil && !yield(pr.role, pr.probe) {
				return
			}
		}
	}
}

// A Probe checks a process again and again. Exactly one of the checks is set.
type Probe struct {
	Exec   *ExecCheck   `json:"exec,omitempty"`
	HTTP   *HTTPCheck   `json:"http,omitempty"`
	TCP    *TCPCheck    `json:"tcp,omitempty"`
	GRPC   *GRPCCheck   `json:"grpc,omitempty"`
	Server *ServerCheck `json:"server,omitempty"`
	Log    *LogCheck    `json:"log,omitempty"`
	Notify *NotifyCheck `json:"notify,omitempty"`
	GPU    *GPUs        `json:"gpu,omitempty"` // succeeds when nvidia-smi shows these

	// InitialDelay nil or 0 means: check at once, then at intervals that grow with the
	// age of the process, from 5 ms up to Period, until the first success.
	InitialDelay     *Duration `json:"initialDelay,omitempty"`
	Period           Duration  `json:"period,omitempty"`           // default: 10s
	Timeout          Duration  `json:"timeout,omitempty"`          // of one check; default: 1s, for GPU 20s
	SuccessThreshold int       `json:"successThreshold,omitempty"` // default: 1
	FailureThreshold int       `json:"failureThreshold,omitempty"` // default: 3

	// RestartOnFailure makes a failed readiness probe restart the process, as
	// process-compose does. A liveness probe always restarts.
	RestartOnFailure bool `json:"restartOnFailure,omitempty"`
}

// ThroughNetwork returns how a probe reaches the process through a network; "" if it does not.
func (p *Probe) ThroughNetwork() string {
	switch {
	case p.HTTP != nil:
		return "HTTP"
	case p.TCP != nil:
		return "TCP"
	case p.GRPC != nil:
		return "gRPC"
	case p.Server != nil && p.Server.Socket.IsEmpty():
		return "TCP"
	case p.Notify != nil && p.Notify.Socket:
		return "sd_notify" // whose socket is abstract
	}
	return ""
}

// address returns where a probe asks a program of the user's; port 0: it asks none.
func (p *Probe) address() (host string, port int) {
	switch {
	case p.HTTP != nil:
		return p.HTTP.Host, p.HTTP.Port
	case p.TCP != nil:
		return p.TCP.Host, p.TCP.Port
	case p.GRPC != nil:
		return p.GRPC.Host, p.GRPC.Port
	}
	return "", 0
}

// ExecCheck succeeds when the command exits 0.
type ExecCheck struct {
	Command Command `json:"command"`
	Dir     Text    `json:"dir,omitempty"` // default: the folder of the process
}

// HTTPCheck succeeds on a status of 2xx or 3xx, or, if Status is set, on that one only.
type HTTPCheck struct {
	Scheme  string            `json:"scheme,omitempty"` // default: http
	Host    string            `json:"host,omitempty"`   // default: 127.0.0.1
	Port    int               `json:"port"`
	Path    string            `json:"path,omitempty"` // default: /
	Headers map[string]string `json:"headers,omitempty"`
	Status  int               `json:"status,omitempty"`
}

// TCPCheck succeeds when a connection can be made.
type TCPCheck struct {
	Host string `json:"host,omitempty"` // default: 127.0.0.1
	Port int    `json:"port"`
}

// GRPCCheck asks the grpc.health.v1 service.
type GRPCCheck struct {
	Host    string `json:"host,omitempty"` // default: 127.0.0.1
	Port    int    `json:"port"`
	Service string `json:"service,omitempty"`
}

// ServerCheck speaks a server's own protocol, so that no client program is
// needed: "postgresql", "redis", ….
type ServerCheck struct {
	Protocol string `json:"protocol"`
	Host     string `json:"host,omitempty"` // default: 127.0.0.1
	Port     int    `json:"port,omitempty"`
	Socket   Text   `json:"socket,omitempty"` // instead of host and port
	// StatusFile is a file in which the server writes its state, such as PostgreSQL's
	// postmaster.pid. Such a server is not asked before it is up, since it logs every
	// question that it can't answer yet.
	StatusFile Text `json:"statusFile,omitempty"`
}

// LogCheck succeeds, for good, once a line of output matches.
type LogCheck struct {
	Contains string `json:"contains,omitempty"` // a substring, or
	Pattern  string `json:"pattern,omitempty"`  // a regular expression (RE2)
}

// NotifyCheck succeeds when the process says so itself.
type NotifyCheck struct {
	Socket bool `json:"socket,omitempty"` // sd_notify: READY=1 to $NOTIFY_SOCKET
	FD     int  `json:"fd,omitempty"`     // a newline on this descriptor, as s6 does
}
