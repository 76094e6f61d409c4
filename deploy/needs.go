package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nix2gpu/project"
)

// A need is something that a project requires of the platform that runs its image.
type need struct {
	ask     ask
	pos     project.Pos
	service project.ID
	text    string // what is required, for messages
}

// needs holds all needs of a project, and what files are made from.
type needs struct {
	p     *project.Project
	place func(option ...string) project.Pos
	all   []need

	ports     []port
	folders   []string // folders to be kept; none is inside another
	files     []mount
	variables []variable
	gpus      gpus
	stop      time.Duration // how long it takes to stop everything
	ends      bool          // the project may complete
	services  bool          // there are services
}

// A port is a port that the container exposes.
type port struct {
	number   int
	protocol string // "tcp", "udp", "sctp"
	http     bool   // the service there is known to speak HTTP
}

// A mount is a file that the image lacks.
type mount struct {
	key    string // a short, unique name
	path   string // in the container
	source string // relative to the definition: "./web.env"; "" if it is not in its folder
	why    string // what it is for, as text
}

// A variable is one whose value must not be in a file.
type variable struct {
	name     string
	optional bool
	why      string
}

// gpus is what all services need together, since all of them see a container's GPUs.
type gpus struct {
	all     bool
	count   int
	devices []string
	memory  int64 // bytes that each GPU must have
}

// number returns how many GPUs are needed; 1 if all are asked for.
func (g gpus) number() int {
	n := max(g.count, len(g.devices))
	if n == 0 && g.all {
		n = 1
	}
	return n
}

const (
	// ssh is the port of sshd. On most hosts it is taken.
	ssh = 22
	// defaultStop is how long boot takes to stop everything, at most.
	defaultStop = 9 * time.Second
	// stopMargin is how much longer an engine has to wait than the project needs, so that
	// the supervisor kills, in order, and not the engine.
	stopMargin = time.Second
	// shortStop is the longest stop that fits the grace period of every platform.
	shortStop = 4 * time.Second
)

// tailscaleState is the folder, below the working directory, with the state of the
// container's node in the tailnet.
const tailscaleState = "/data/tailscale"

// command is the path of our program in the image.
const command = "/usr/bin/nix2gpu"

func needsOf(p *project.Project, place func(option ...string) project.Pos) (*needs, error) {
	n := &needs{p: p, place: place, services: len(p.Enabled()) > 0}
	if err := n.addPorts(); err != nil {
		return nil, err
	}
	n.addFolders()
	n.addSecrets()
	n.addServiceFiles()
	n.addTailscale()
	n.addGPUs()
	n.addTimes()
	n.addRest()
	return n, nil
}

func (n *needs) add(a ask, pos project.Pos, service project.ID, format string, args ...any) {
	n.all = append(n.all, need{a, pos, service, fmt.Sprintf(format, args...)})
}

// enabled returns the enabled services, sorted by id.
func (n *needs) enabled() []*project.Service {
	var out []*project.Service
	for _, id := range n.p.Enabled() {
		out = append(out, n.p.Services[id])
	}
	return out
}

// option returns where an option of a service was set, or else where the service was
// defined.
func (n *needs) option(s *project.Service, name ...string) project.Pos {
	pos := n.place(append([]string{"services", s.Type, s.Instance}, name...)...)
	if pos == (project.Pos{}) {
		return s.OptionPos(name[0])
	}
	return pos
}

func (n *needs) addPorts() error {
	http := n.httpPorts()
	for _, text := range n.p.Container.ExposedPorts {
		numbers, protocol, _ := strings.Cut(text, "/")
		protocol = cmp.Or(protocol, "tcp")
		low, high, isRange := strings.Cut(numbers, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return fmt.Errorf("exposed port %q must be like \"8080/tcp\"", text)
		}
		to, err := strconv.Atoi(high)
		if err != nil || to < from {
			return fmt.Errorf("exposed port %q must be like \"8080/tcp\"", text)
		}
		for i := from; i <= to; i++ {
			n.ports = append(n.ports, port{i, protocol, protocol == "tcp" && http[i]})
		}
		a := map[string]ask{"tcp": askTCP, "udp": askUDP, "sctp": askSCTP}[protocol]
		n.add(a, n.place("exposedPorts"), "", "port %s", text)
		if protocol == "tcp" && from <= ssh && ssh <= to {
			n.variables = append(n.variables, variable{name: "SSH_PUBLIC_KEYS", optional: true, why: "who may log in by ssh"})
		}
	}
	return nil
}

// httpTypes are the service types that speak HTTP on all of their ports.
var httpTypes = [...]string{"nginx", "apache-httpd", "caddy", "prometheus", "grafana", "jaeger", "ollama", "minio"}

func (n *needs) httpPorts() map[int]bool {
	out := map[int]bool{}
	for _, s := range n.enabled() {
		if slices.Contains(httpTypes[:], s.Type) {
			for _, p := range s.Ports {
				out[p.Port] = true
			}
		}
		for _, probe := range n.p.Processes[s.Main].Probes() {
			if probe.HTTP != nil {
				out[probe.HTTP.Port] = true
			}
		}
	}
	return out
}

// addFolders finds folders that must outlive the container.
func (n *needs) addFolders() {
	type owner struct {
		pos     project.Pos
		service project.ID
		text    string
	}
	found := map[string]owner{}
	for _, s := range n.enabled() {
		for _, id := range s.ProcessIDs() {
			for _, d := range n.p.Processes[id].Dirs {
				if !d.Keep {
					continue
				}
				where, ok := n.inContainer(d.Path)
				if !ok {
					n.add(askFolderUnknown, n.option(s, "dataDir"), s.ID, "%s keeps its data in %s, a place that only the container knows", s.Label, d.Path)
					continue
				}
				found[where] = owner{n.option(s, "dataDir"), s.ID, fmt.Sprintf("%s keeps its data in %s", s.Label, where)}
			}
		}
	}
	if t := n.p.Container.Tailscale; t != nil {
		where := n.workingDir() + tailscaleState
		found[where] = owner{t.Pos, "", "tailscale keeps who it is in " + where}
	}
	for _, where := range slices.Sorted(maps.Keys(found)) {
		a := askFolder
		if !below(where, n.workingDir()) {
			a = askFolderElsewhere
		}
		n.add(a, found[where].pos, found[where].service, "%s", found[where].text)
		if !slices.ContainsFunc(n.folders, func(around string) bool { return below(where, around) }) {
			n.folders = append(n.folders, where) // one inside another is kept with that
		}
	}
}

func below(where, dir string) bool { return where == dir || strings.HasPrefix(where, dir+"/") }

func (n *needs) workingDir() string { return cmp.Or(n.p.Container.WorkingDir, "/workspace") }

// inContainer resolves a text to its value in the container. It reports whether that is
// known before the container runs.
func (n *needs) inContainer(t project.Text) (string, bool) {
	var b strings.Builder
	for _, part := range t {
		switch {
		case part.IsLiteral():
			b.WriteString(part.Literal)
		case part.Root != nil:
			b.WriteString(n.workingDir() + *part.Root)
		default:
			return "", false
		}
	}
	where := b.String()
	if !path.IsAbs(where) {
		where = path.Join(n.workingDir(), where)
	}
	return path.Clean(where), true
}

// addFile adds a file that the image lacks.
func (n *needs) addFile(pos project.Pos, service project.ID, key string, t project.Text, why string) {
	where, ok := n.inContainer(t)
	if !ok {
		n.add(askFileUnknown, pos, service, "%s is the file %s, at a place that only the container knows", why, t)
		return
	}
	n.add(askFile, pos, service, "%s is the file %s", why, where)
	if slices.ContainsFunc(n.files, func(m mount) bool { return m.path == where }) {
		return
	}
	m := mount{key: idOf(key), path: where, why: why}
	if len(t) == 1 && t[0].Root != nil {
		m.source = "." + *t[0].Root
	}
	for slices.ContainsFunc(n.files, func(o mount) bool { return o.key == m.key }) {
		m.key += "-2"
	}
	n.files = append(n.files, m)
}

func (n *needs) addSecrets() {
	identities := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(n.p.Secrets)) {
		s := n.p.Secrets[name]
		why, key := fmt.Sprintf("secret %q", name), path.Base(name)
		if name == project.TailscaleSecret && n.p.Container.Tailscale != nil {
			why, key = "the key of tailscale", "tailscale"
		}
		if len(s.Age) > 0 && !s.Ships() {
			n.addFile(s.Pos, "", key, s.Age, why+", encrypted,")
		}
		switch {
		case s.Env != "":
			n.add(askVariable, s.Pos, "", "%s is the variable %s", why, s.Env)
			n.addVariable(variable{name: s.Env, optional: s.Optional, why: why})
		case len(s.File) > 0:
			n.addFile(s.Pos, "", key, s.File, why)
		case len(s.Age) > 0 && len(s.Identities) > 0:
			first := s.Identities[0]
			if identities[first.String()] {
				break
			}
			identities[first.String()] = true
			n.addFile(n.place("age", "identityPaths"), "", "identity", first, fmt.Sprintf("the key that decrypts %s", why))
			if len(s.Identities) > 1 {
				n.add(askIdentities, n.place("age", "identityPaths"), "", "the key that decrypts %s can be one of %d files", why, len(s.Identities))
			}
		}
	}
}

func (n *needs) addVariable(v variable) {
	if !slices.ContainsFunc(n.variables, func(o variable) bool { return o.name == v.name }) {
		n.variables = append(n.variables, v)
	}
}

// addServiceFiles finds files that services read and the image lacks, and services that
// want a network of their own.
func (n *needs) addServiceFiles() {
	for _, s := range n.enabled() {
		for _, id := range s.ProcessIDs() {
			proc := n.p.Processes[id]
			for _, f := range proc.EnvFiles {
				n.addFile(n.option(s, "environmentFile"), s.ID, path.Base(f.String()), f, "the environment file of "+s.Label)
			}
			for _, f := range proc.Files {
				if len(f.Source) > 0 {
					n.addFile(s.Pos, s.ID, path.Base(f.Source.String()), f.Source, "what "+s.Label+" reads")
				}
			}
			if proc.Settings.Network == project.Loopback && id == s.Main {
				n.add(askNetwork, n.option(s, "network"), s.ID, "%s wants a network of its own", s.Label)
			}
		}
	}
}

func (n *needs) addTailscale() {
	t := n.p.Container.Tailscale
	if t == nil {
		return
	}
	n.add(askTailnet, t.Pos, "", "tailscale")
}

func (n *needs) addGPUs() {
	devices := map[string]bool{}
	var counted, named, wantsAll *project.Service
	for _, s := range n.enabled() {
		switch {
		case s.GPUs == nil:
		case s.GPUs.All:
			wantsAll = cmp.Or(wantsAll, s)
		case s.GPUs.Count > 0:
			if s.GPUs.Count > n.gpus.count {
				n.gpus.count, counted = s.GPUs.Count, s
			}
		default:
			for _, d := range s.GPUs.Devices {
				devices[d], named = true, s
			}
		}
	}
	n.gpus.devices = slices.Sorted(maps.Keys(devices))
	at := func(s *project.Service) project.Pos { // one of several options may have set it
		for _, option := range [][]string{{"gpus"}, {"gpu", "count"}, {"gpu", "uuid"}} {
			if pos := n.option(s, option...); pos != s.OptionPos(option[0]) {
				return pos
			}
		}
		return s.OptionPos("gpus")
	}
	for _, s := range n.enabled() {
		if s.GPUs != nil && s.GPUs.Memory > 0 {
			n.gpus.memory = max(n.gpus.memory, s.GPUs.Memory)
			n.add(askGPUMemory, n.option(s, "gpu", "memory"), s.ID, "%s wants GPUs of %d MiB", s.Label, s.GPUs.Memory>>20)
		}
	}
	switch {
	case wantsAll != nil:
		n.gpus.all = true
		n.add(askGPUAll, at(wantsAll), wantsAll.ID, "%s wants all GPUs", wantsAll.Label)
	case counted != nil && named != nil:
		n.add(askGPUMixed, at(counted), counted.ID, "%s wants a number of GPUs, and %s certain ones", counted.Label, named.Label)
		n.gpus.all = true
	case named != nil:
		n.add(askGPUDevices, at(named), named.ID, "%s wants the GPUs %s", named.Label, strings.Join(n.gpus.devices, ", "))
	case counted != nil:
		n.add(askGPUCount, at(counted), counted.ID, "%s wants %d GPUs", counted.Label, n.gpus.count)
	case n.p.Container.CUDA != "":
		n.gpus.all = true
		n.add(askGPUAll, n.p.Container.CUDAPos, "", "CUDA is for all GPUs")
	}
}

func (n *needs) addTimes() {
	n.stop = defaultStop
	if t := n.p.StopTimeout; t != nil {
		n.stop = time.Duration(*t)
		a := askStop
		if n.stop > shortStop {
			a = askLongStop
		}
		n.add(a, n.place("stopTimeout"), "", "stopping takes up to %s", n.stop)
	}
	n.ends = n.services && n.p.WhenDone != project.WhenDoneStay
	for _, s := range n.enabled() {
		switch n.p.Processes[s.Main].Restart.Policy {
		case project.RestartAlways, project.RestartUnlessStopped, project.RestartOnFailure:
			n.ends = false // a service that never completes
		}
	}
	if n.ends {
		a := askEnd
		if len(n.folders) > 0 {
			a = askEndWithFolders
		}
		n.add(a, n.place("whenDone"), "", "the container ends when all is done")
	}
}

func (n *needs) addRest() {
	for _, s := range n.enabled() {
		if s.Unsupported != "" {
			n.add(askUnsupported, s.Pos, s.ID, "%s: %s", s.Label, s.Unsupported)
		}
		for _, id := range s.ProcessIDs() {
			l := n.p.Processes[id].Limits
			for limit, set := range map[string]bool{"memory": l.Memory > 0, "cpus": l.CPUs > 0, "pids": l.Pids > 0, "io": l.IO.Weight > 0 || len(l.IO.Max) > 0} {
				if set {
					n.add(askLimits, n.option(s, "limits", limit), s.ID, "the limit of the %s of %s is for one service of several", limit, s.Label)
				}
			}
		}
	}
}

// volume makes the name of a volume from the path of its folder below the working
// directory.
func (n *needs) volume(where string) string {
	return idOf(strings.TrimPrefix(strings.TrimPrefix(where, n.workingDir()), "/"))
}

// volumes returns a name for the volume of each folder. All are different.
func (n *needs) volumes() []string {
	var names []string
	for _, where := range n.folders {
		v := n.volume(where)
		for slices.Contains(names, v) {
			v += "-2"
		}
		names = append(names, v)
	}
	return names
}

// idOf makes a name or a path valid as a name for compose and Kubernetes, and as a key in
// YAML, where 1e3 would be a number.
func idOf(s string) string {
	s = strings.Trim(notID().ReplaceAllString(strings.ToLower(s), "-"), "-")
	if isNumber(s) {
		s = "n" + s
	}
	return cmp.Or(s, "data")
}

var notID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9]+`) })
