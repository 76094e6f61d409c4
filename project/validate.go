package project

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"nix2gpu/spelling"
)

// Validate reports everything that is wrong with p, sorted by place. It
// changes nothing. The error is an [Errors].
func (p *Project) Validate() error {
	var found Errors
	if p.Version != Version {
		found.add(Pos{}, "", "", "version must be %d, not %d", Version, p.Version)
	}
	oneOf(&found, Pos{}, "", "whenDone", p.WhenDone, WhenDoneExit, WhenDoneStay)
	oneOf(&found, Pos{}, "", "onFailed", p.OnFailed, OnFailedContinue, OnFailedExit)
	if p.StopTimeout != nil && *p.StopTimeout < 0 {
		found.add(Pos{}, "", "", "stopTimeout must not be negative")
	}
	if l := p.Listen; l != nil {
		if msg, cure := l.Wrong(func(name string) string { return "listen." + name }); msg != "" {
			found.add(l.Pos, "", cure, "%s", msg)
		}
	}
	if m := p.Metrics; m != nil {
		if msg := m.Wrong("metrics.listen"); msg != "" {
			found.add(m.Pos, "", "", "%s", msg)
		}
	}
	found.checkLogs(p)
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		found.checkService(p, id, p.Services[id])
	}
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		found.checkProcess(p, id, p.Processes[id])
	}
	for _, ring := range p.cycles() {
		names := make([]string, len(ring))
		for i, id := range ring {
			names[i] = p.label(id)
		}
		pos := p.Services[ring[0]].DependsOn[ring[1]].Pos
		if len(ring) == 2 {
			found.add(pos, ring[0], "remove the dependency", "%q waits for itself", names[0])
			continue
		}
		found.add(pos, ring[0], "remove one of these dependencies", "services wait for each other: %s", strings.Join(names, " → "))
	}
	found.checkFiles(p)
	found.checkSecrets(p)
	found.checkPorts(p)
	found.checkLogFiles(p)
	found.checkTexts(p)
	return found.asError()
}

// checkTexts finds bytes that would not be the same where the project runs: it travels as
// JSON, and no argument or variable holds a zero byte.
func (e *Errors) checkTexts(p *Project) {
	p.EachText(func(o Owner, t *Text) {
		for _, part := range *t {
			foreign := !utf8.ValidString(part.Literal)
			if !foreign && (o.Field == "files" || !strings.Contains(part.Literal, "\x00")) {
				continue
			}
			what, of, pos, service := strings.TrimSpace(o.Field+" "+o.Name), cmp.Or(o.File, p.Name), Pos{}, ID("")
			if o.Field == "files" {
				what = "a file"
			}
			if proc := p.Processes[o.Process]; proc != nil {
				of, service = p.label(proc.Service), proc.Service
				if s := p.Services[service]; s != nil {
					pos = s.OptionPos(o.Field)
				}
			}
			if foreign {
				e.add(pos, service, "write it in UTF-8, or let the program read it from a file", "%s of %q is not UTF-8", what, of)
			} else {
				e.add(pos, service, "remove it", "%s of %q holds a zero byte, which no program can be given", what, of)
			}
			return
		}
	})
}

// label returns the label of a service, or its id if it has none.
func (p *Project) label(id ID) string {
	if s := p.Services[id]; s != nil && s.Label != "" {
		return s.Label
	}
	return string(id)
}

// goodName matches what is safe as the name of a file, and as a word of a command line
// that can't mean anything else.
var goodName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:@+-]*$`)
})

// checkName allows more than a definition in Nix does: any text that people can type and
// that stays one word of a line. Whoever makes a file of a name takes [ID.FileName].
func (e *Errors) checkName(pos Pos, id ID, what string) {
	name := string(id)
	switch {
	case len(id) > 128:
		e.add(pos, id, "", "%s %.20q… must have at most 128 bytes", what, id)
	case name == "":
		e.add(pos, id, "", "%s must not be empty", what)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		e.add(pos, id, "", "%s %q must not hold control characters", what, id)
	case strings.TrimSpace(name) != name:
		e.add(pos, id, "", "%s %q must not begin or end with a space", what, id)
	}
}

// PlainName returns what is wrong with a name that a definition in Nix gives to a
// service; "" if nothing is. Such names also become parts of paths.
func PlainName(name string) string {
	switch {
	case len(name) > 128:
		return fmt.Sprintf("service name %.20q… must have at most 128 bytes", name)
	case !goodName().MatchString(name):
		return fmt.Sprintf("service name %q must consist of letters, digits and any of _ . : @ + -, and begin with a letter or digit", name)
	}
	return ""
}

// FileName returns a name for files of a service or process, short enough for a socket.
func (id ID) FileName() string {
	if len(id) <= 40 && goodName().MatchString(string(id)) {
		return string(id)
	}
	plain := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, string(id))
	sum := fnv.New64a()
	sum.Write([]byte(id))
	return fmt.Sprintf("%.20s-%016x", plain, sum.Sum64())
}

func (e *Errors) checkService(p *Project, id ID, s *Service) {
	e.checkName(s.Pos, id, "service name")
	if s.ID != id {
		e.add(s.Pos, id, "", "service %q is listed as %q", s.ID, id)
	}
	for role, list := range map[Role][]ID{Init: s.Init, Main: {s.Main}, Setup: s.Setup} {
		for _, proc := range list {
			switch q := p.Processes[proc]; {
			case q == nil:
				e.add(s.Pos, id, "", "service %q has no process %q", id, proc)
			case q.Service != id || q.Role != role:
				e.add(s.Pos, id, "", "process %q must be the %s process of service %q", proc, role, id)
			}
		}
	}
	if s.Schedule != nil {
		e.checkSchedule(p, s)
	}
	if s.Watch != nil {
		e.checkWatch(p, s)
	}
	if s.GPUs != nil {
		e.checkGPUs(s, fmt.Sprintf("service %q", p.label(id)), s.GPUs)
	}
	for _, dep := range slices.Sorted(maps.Keys(s.DependsOn)) {
		e.checkDependency(p, s, dep, s.DependsOn[dep])
	}
}

// profileWords returns the profiles of a service as part of a sentence.
func (s *Service) profileWords() string { return strings.Join(s.Profiles, " or ") }

func (e *Errors) checkDependency(p *Project, s *Service, id ID, d Dependency) {
	pos := d.Pos
	if pos == (Pos{}) {
		pos = s.Pos
	}
	who := p.label(s.ID)
	dep := p.Services[id]
	if dep == nil {
		hint := ""
		if near := spelling.Nearest(string(id), p.Names()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		e.add(pos, s.ID, hint, "%q depends on %q, which does not exist", who, id)
		return
	}
	if p.Compose {
		// Such a dependant is refused when it is to start.
	} else if dep.Disabled && !s.Disabled && len(dep.Profiles) > 0 {
		e.add(pos, s.ID, fmt.Sprintf("give %q the same profiles, or remove the dependency", who), "%q depends on %q, which starts only with profile %s", who, p.label(id), dep.profileWords())
	} else if dep.Disabled && !s.Disabled && !dep.System {
		e.add(pos, s.ID, fmt.Sprintf("enable %q, or remove the dependency", p.label(id)), "%q depends on %q, which is disabled", who, p.label(id))
	}
	oneOf(e, pos, s.ID, fmt.Sprintf("the condition of %q in the dependencies of %q", p.label(id), who), d.Condition,
		Conditions()...)
	if d.Condition == "" {
		e.add(pos, s.ID, "", "the dependency of %q on %q has no condition", who, p.label(id))
	}
	main := p.Processes[dep.Main]
	if main == nil {
		return // reported with its service
	}
	always := main.Restart.Policy == RestartAlways || main.Restart.Policy == RestartUnlessStopped
	switch {
	case d.Condition == Completed && always:
		e.add(pos, s.ID, fmt.Sprintf("set restart = \"on_failure\" or \"no\" for %q, or wait for \"ready\"", p.label(id)),
			"%q waits for %q to complete, which never happens: it is always restarted", who, p.label(id))
	case d.Condition == LogReady && (main.Readiness == nil || main.Readiness.Log == nil):
		e.add(pos, s.ID, fmt.Sprintf("set ready_log_line for %q, or wait for \"ready\"", p.label(id)),
			"%q waits for the ready line of %q, which has none", who, p.label(id))
	}
}

func (e *Errors) checkProcess(p *Project, id ID, q *Process) {
	s := p.Services[q.Service]
	if s == nil {
		e.add(Pos{}, "", "", "process %q belongs to no service: %q does not exist", id, q.Service)
		return
	}
	who := fmt.Sprintf("%q", id)
	if id != q.Service { // else checkService has checked the same name
		e.checkName(s.Pos, id, "process name")
	}
	if q.ID != id {
		e.add(s.Pos, s.ID, "", "process %q is listed as %q", q.ID, id)
	}
	oneOf(e, s.Pos, s.ID, "the role of "+who, q.Role, Init, Main, Setup)
	if s.Unsupported == "" {
		e.checkCommand(s, "the command of "+who, q.Command)
	}
	if q.Shutdown.Command != nil {
		e.checkCommand(s, "the shutdown command of "+who, *q.Shutdown.Command)
	}
	if q.Shutdown.Keys != "" {
		e.checkShutdownKeys(s, who, q)
	}
	if sig := q.Shutdown.Signal; sig != 0 && !sig.Valid() {
		e.add(s.Pos, s.ID, "", "the shutdown signal of %s must be from 1 to %d, not %d", who, int(sigRTMAX), int(sig))
	}
	if t := q.Shutdown.Timeout; t != nil && *t < 0 {
		e.add(s.Pos, s.ID, "", "the shutdown timeout of %s must not be negative", who)
	}
	oneOf(e, s.Pos, s.ID, "the kill mode of "+who, q.KillMode, KillGroup, KillProcess)
	if q.Daemon != nil {
		e.checkDaemon(s, who, q)
	}
	e.checkRestart(s, who, q.Restart)
	for role, probe := range q.Probes() {
		e.checkProbe(s, fmt.Sprintf("the %s probe of %s", role, who), probe)
	}
	e.checkUser(s, who, q.User)
	if q.Elevated && q.User != "" {
		e.add(s.Pos, s.ID, "", "%s cannot both be elevated and have the user %q", who, q.User)
	}
	e.checkLog(s, who, q.Log)
	for _, d := range q.Dirs {
		e.checkUser(s, who, d.Owner)
		if d.Keep && len(d.Path) > 0 && d.Path[0].Run != nil {
			e.add(s.Pos, s.ID, "keep it elsewhere, with dataDir", "folder %q of %s cannot be kept: the run folder ends with the run", d.Path, who)
		}
	}
	for _, f := range q.Files {
		e.checkUser(s, who, f.Owner)
		if len(f.Source) > 0 && (len(f.Content) > 0 || f.Escape != "") {
			e.add(s.Pos, s.ID, "", "file %q of %s must have either content or a source", f.Path, who)
		}
	}
	for name := range q.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			e.add(s.Pos, s.ID, "", "environment of %s: the name of a variable must not be empty or hold \"=\": %q", who, name)
		}
	}
}

// goodUser matches the names that useradd accepts, and numbers.
var goodUser = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z_][a-z0-9_.-]*\$?|[0-9]+)$`)
})

func (e *Errors) checkUser(s *Service, who, user string) {
	if user != "" && (len(user) > 256 || !goodUser().MatchString(strings.ToLower(user))) {
		e.add(s.Pos, s.ID, "", "the user of %s must be a name or a number, not %q", who, user)
	}
}

// checkFiles checks that every generated file that a text names exists.
func (e *Errors) checkFiles(p *Project) {
	p.EachText(func(o Owner, t *Text) {
		for _, part := range *t {
			if part.File == nil || p.hasFile(*part.File) {
				continue
			}
			pos, service, who := p.about(o)
			e.add(pos, service, "", "%s names the generated file %q, which does not exist", who, *part.File)
		}
	})
}

// about says for a message whose text one is. That may be a process which does not exist:
// there is another message about that.
func (p *Project) about(o Owner) (pos Pos, service ID, who string) {
	switch {
	case o.File != "":
		return pos, "", fmt.Sprintf("generated file %q", o.File)
	case o.Process == "":
		return pos, "", "the container"
	}
	if q := p.Processes[o.Process]; q != nil {
		service = q.Service
	}
	if s := p.Services[service]; s != nil {
		pos = s.Pos
	}
	return pos, service, fmt.Sprintf("process %q", o.Process)
}

// hasFile reports whether there is a generated file of that name, or a folder of such
// files.
func (p *Project) hasFile(name string) bool {
	if p.Files[name] != nil {
		return true
	}
	for other := range p.Files {
		if isOrHolds(name, other) {
			return true
		}
	}
	return false
}

func (e *Errors) checkCommand(s *Service, what string, c Command) {
	if (len(c.Exec) > 0) == !c.Shell.IsEmpty() {
		e.add(s.Pos, s.ID, "", "%s must be either a program with arguments or a line for the shell, and not empty", what)
	}
}

func (e *Errors) checkDaemon(s *Service, who string, q *Process) {
	switch t := q.Daemon.LaunchTimeout; {
	case q.Role != Main:
		e.add(s.Pos, s.ID, "let it run in the foreground, to its end", "only the main process of a service can be a daemon, not %s", who)
	case q.TTY:
		e.add(s.Pos, s.ID, "remove tty, or let the program stay in the foreground", "%s is a daemon, which has no terminal", who)
	case t != nil && *t <= 0:
		e.add(s.Pos, s.ID, "", "the launch timeout of %s must be more than 0", who)
	}
}

func (e *Errors) checkRestart(s *Service, who string, r Restart) {
	oneOf(e, s.Pos, s.ID, "the restart policy of "+who, r.Policy,
		RestartNo, RestartOnFailure, RestartAlways, RestartExitOnFailure, RestartUnlessStopped)
	if r.Max < 0 {
		e.add(s.Pos, s.ID, "", "max_restarts of %s must not be negative", who)
	}
	if r.Backoff != 0 && r.Backoff < 1 {
		e.add(s.Pos, s.ID, "", "restart_delay_backoff of %s must be at least 1, not %v", who, r.Backoff)
	}
	if r.Delay != nil && *r.Delay < 0 {
		e.add(s.Pos, s.ID, "", "restart_delay of %s must not be negative", who)
	}
	if r.DelayMax != nil && *r.DelayMax < 0 {
		e.add(s.Pos, s.ID, "", "restart_delay_max of %s must not be negative", who)
	}
}

func (e *Errors) checkProbe(s *Service, what string, pr *Probe) {
	n, port, ported := 0, 0, false
	if pr.Exec != nil {
		n++
		e.checkCommand(s, "the command of "+what, pr.Exec.Command)
	}
	if pr.HTTP != nil {
		n, port, ported = n+1, pr.HTTP.Port, true
	}
	if pr.TCP != nil {
		n, port, ported = n+1, pr.TCP.Port, true
	}
	if pr.GRPC != nil {
		n, port, ported = n+1, pr.GRPC.Port, true
	}
	if pr.Server != nil {
		n, port, ported = n+1, pr.Server.Port, pr.Server.Socket.IsEmpty()
	}
	if pr.Log != nil {
		n++
		if _, err := regexp.Compile(pr.Log.Pattern); err != nil {
			e.add(s.Pos, s.ID, "", "the pattern of %s: %v", what, err)
		}
	}
	if pr.Notify != nil {
		n++
	}
	if pr.GPU != nil {
		n++
		e.checkGPUs(s, what, pr.GPU)
	}
	if n != 1 {
		e.add(s.Pos, s.ID, "", "%s must have exactly one check, has %d", what, n)
	}
	if ported && (port < 1 || port > 65535) {
		e.add(s.Pos, s.ID, "", "the port of %s must be between 1 and 65535, not %d", what, port)
	}
	if pr.Period < 0 || pr.Timeout < 0 || pr.InitialDelay != nil && *pr.InitialDelay < 0 {
		e.add(s.Pos, s.ID, "", "the times of %s must not be negative", what)
	}
	if pr.SuccessThreshold < 0 || pr.FailureThreshold < 0 {
		e.add(s.Pos, s.ID, "", "the thresholds of %s must not be negative", what)
	}
}

func (e *Errors) checkGPUs(s *Service, what string, g *GPUs) {
	n := 0
	for _, set := range []bool{g.All, g.Count != 0, len(g.Devices) > 0} {
		if set {
			n++
		}
	}
	if n != 1 || g.Count < 0 {
		e.add(s.Pos, s.ID, "", "%s must need either all GPUs, a number of them, or certain ones", what)
	}
	if g.Memory < 0 {
		e.add(s.Pos, s.ID, "", "the memory that %s needs of a GPU must not be negative", what)
	}
}

// checkPorts finds services that cannot listen at the same time. One that has a network of
// its own is only in its own way.
func (e *Errors) checkPorts(p *Project) {
	type owner struct {
		service ID
		port    Port
	}
	var owners []owner
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[id]
		for _, port := range s.Ports {
			pos := port.Pos
			if pos == (Pos{}) {
				pos, port.Pos = s.Pos, s.Pos
			}
			if port.Port < 1 || port.Port > 65535 {
				e.add(pos, id, "", "port of %q must be between 1 and 65535, not %d", p.label(id), port.Port)
				continue
			}
			if s.Disabled {
				continue
			}
			for _, o := range owners {
				if o.port.clashes(port) && (o.service == id || !p.Apart(s) && !p.Apart(p.Services[o.service])) {
					hint := "give one of them another port"
					if o.service == id {
						hint = "name that address once, or give one of them another port"
					}
					e.add(pos, id, hint, "port %d is used twice: by %q (%s) and by %q (%s)", port.Port,
						p.label(o.service), o.port.where(), p.label(id), port.where())
				}
			}
			owners = append(owners, owner{id, port})
		}
	}
}

// where says on which addresses a port is, and where that was set.
func (p Port) where() string {
	text := p.Address
	switch {
	case p.wildcard():
		text = "all addresses"
	case text == "":
		text = "127.0.0.1"
	}
	if pos := p.Pos.String(); pos != "" {
		text += ", " + pos
	}
	return text
}

func (p Port) wildcard() bool {
	return p.Address == "*" || p.Address == "0.0.0.0" || p.Address == "::" || p.Address == "[::]"
}

// clashes reports whether p and q cannot be open at the same time.
func (p Port) clashes(q Port) bool {
	if p.Port != q.Port || cmpProtocol(p.Protocol) != cmpProtocol(q.Protocol) {
		return false
	}
	return p.wildcard() || q.wildcard() || loopback(p.Address) == loopback(q.Address)
}

func cmpProtocol(s string) string {
	if s == "" {
		return "tcp"
	}
	return strings.ToLower(s)
}

func loopback(address string) string {
	if address == "" || address == "localhost" {
		return "127.0.0.1"
	}
	return address
}

// oneOf checks a word against those permitted. The empty word is the default.
func oneOf[T ~string](e *Errors, pos Pos, service ID, what string, got T, permitted ...T) {
	if got == "" || slices.Contains(permitted, got) {
		return
	}
	names := make([]string, len(permitted))
	for i, w := range permitted {
		names[i] = fmt.Sprintf("%q", string(w))
	}
	e.add(pos, service, "", "%s must be one of %s, not %q", what, strings.Join(names, ", "), string(got))
}
