package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/gpu"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/stage"
)

// The words of the supervisor: all that it says to the operator, and all reasons in status
// and events. Refusals are in refusal.go. Nothing here decides anything, and nothing else
// looks at these texts.

// What is said about the project as a whole.
const (
	allHealthy   = "all services healthy"
	allStopped   = "all services stopped"
	allCompleted = "all services have completed"
	requested    = "requested" // the reason of a stop by request
)

func sayBegin(services int) string {
	return "starting process-compose with " + count(services, "service")
}

// sayUnprobed follows allHealthy if there are services without a probe, of which it is only
// known that they run.
func sayUnprobed(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return "without a probe: " + strings.Join(labels, ", ")
}

func sayStopping(services int, st *shutdown) string {
	line := "stopping " + count(services, "service")
	if !st.asked {
		line += ": " + st.result.Reason
	}
	return line
}

// text returns the summary. Without reasons, it serves to compare two of them.
func (t *tally) text(reasons bool) string {
	switch {
	case t.all == 0:
		return ""
	case t.healthy():
		return allHealthy
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %s healthy", t.good, count(t.all, "service"))
	group := func(name string, list []*service, reason func(*service) string) {
		sep := "; " + name + ": "
		for _, s := range list {
			b.WriteString(sep + s.spec.Label)
			if reasons && reason != nil {
				b.WriteString(" (" + reason(s) + ")")
			}
			sep = ", "
		}
	}
	group("failed", t.failed, (*service).reason)
	group("restarting", t.looping, (*service).lastEnd)
	group("skipped", t.skipped, nil)
	return b.String()
}

// serviceLine returns a line about a service.
func serviceLine(s *project.Service, line string) string { return s.Label + ": " + line }

// say prints a warning about a service.
func (c *core) say(s *service, line string) {
	c.world.Say(serviceLine(s.spec, line), servicelog.Warning)
}

// tone returns the severity of a change of state.
func tone(to control.ServiceState) servicelog.Tone {
	switch to {
	case control.Failed, control.Skipped:
		return servicelog.Failure
	case control.Unready, control.Ending, control.Backoff:
		return servicelog.Warning
	}
	return servicelog.Plain
}

// tone returns the severity of a summary.
func (t *tally) tone() servicelog.Tone {
	switch {
	case len(t.failed)+len(t.skipped) > 0:
		return servicelog.Failure
	case len(t.looping) > 0:
		return servicelog.Warning
	}
	return servicelog.Plain
}

// took returns how long something has taken since a moment, if that is to be said.
func (c *core) took(since time.Time) string {
	if !c.opts.Timed || since.IsZero() {
		return ""
	}
	return fmt.Sprintf(" (%.1f s)", c.world.Now().Sub(since).Seconds())
}

// line returns what the operator is told about a change of state; "" if there is nothing
// new.
func (c *core) line(s *service, from, to control.ServiceState, k Kind) string {
	if s.spec.System && to != control.Failed {
		if to != control.Backoff || s.streak.n > 0 {
			return "" // it is restarted in silence
		}
		if s.spec.Schedule != nil { // its output is shown nowhere else
			return fmt.Sprintf("%s; tried again in %s", cmp.Or(s.exit.Hint, text(s.reason(), s.exit.Said)), seconds(s.main.Restart.Wait(1)))
		}
		return cmp.Or(s.exit.Hint, s.reason()) + "; tried again until it stays up"
	}
	switch to {
	case control.Waiting:
		return "waiting for dependencies"
	case control.Init, control.Starting:
		if from == control.Init {
			return ""
		}
		if s.streak.n > 0 {
			return fmt.Sprintf("starting (restart %d)", s.streak.n)
		}
		return "starting"
	case control.Running:
		if from == control.Unready {
			return "ready"
		}
		if c.awaited(s) {
			return "ready" + c.took(s.began)
		}
	case control.Scheduled:
		if from != control.Completed && from != control.Failed && !s.further() {
			return "next run " + s.when(s.next)
		}
	case control.Unready:
		return "not ready: " + s.whyUnready()
	case control.Ending:
		return s.why // empty if it has ended by itself
	case control.Backoff:
		return fmt.Sprintf("%s; restarting in %s", s.reason(), seconds(s.main.Restart.Wait(s.streak.n+1)))
	case control.Restarting:
		if s.cause != "" {
			return "restarting: " + s.cause
		}
		return "restarting"
	case control.Stopping:
		if c.stopping == nil {
			return "stopping"
		}
	case control.Stopped:
		if c.stopping == nil {
			return "stopped"
		}
	case control.Completed:
		return "completed" + paren(s.exit) + c.took(s.began)
	case control.Failed:
		return "failed: " + s.reason()
	case control.Skipped:
		return "skipped: " + s.why
	}
	return ""
}

// hint returns the cure for a failure that is announced, unless it was announced in the
// same streak before.
func (s *service) hint(to control.ServiceState) string {
	if s.exit == nil || s.spec.System && to != control.Failed { // its line has the hint
		return ""
	}
	if to != control.Failed && (to != control.Backoff || s.streak.n > 0) {
		return ""
	}
	return s.exit.Hint
}

func sayKilled(after time.Duration, how string) string {
	return fmt.Sprintf("killed, still running %s after %s", seconds(after), cmp.Or(how, "the request to stop"))
}

// sayOOMKills returns what is said about kills for lack of memory. limit is that of the
// service, in bytes; 0: it has none.
func sayOOMKills(kills int, limit int64) string {
	text := fmt.Sprintf("out of memory: the kernel has killed %s of it", count(kills, "process"))
	if limit > 0 {
		text += fmt.Sprintf("; limits.memory is %s", size(limit))
	}
	return text
}

func sayLacksGPU(lacks *stage.Error) string {
	return "nvidia-smi, which its command runs, is missing: " + text(lacks.Msg, lacks.Hint)
}

func sayShutdownFailed(err error) string { return "shutdown command: " + err.Error() }

func sayLeft(list string) string { return "processes that it started cannot be ended: " + list }

// hintPort says who listens on a port that a service needs.
func hintPort(port int, h process.Holder) string {
	return fmt.Sprintf("port %d is used by %s", port, h)
}

// What is said about the GPUs of a service.
func sayGPUBusy(busy string) string { return "waits until the memory of its last run is free: " + busy }

func sayGPUFree(after time.Duration) string { return "the memory is free after " + seconds(after) }

func sayGPUStillBusy(after time.Duration, busy string) string {
	return fmt.Sprintf("starts although its memory is not free after %s: %s", seconds(after), busy)
}

func sayNoKmsg(err error) string {
	return fmt.Sprintf("it uses a GPU and failed; Xid errors of the driver are not seen here: %s: %v; %s", gpu.Kmsg, err, gpu.KmsgHint)
}

func sayMend(pos project.Pos) string { return "correct " + pos.String() }

// Why a process could not be started.
var errStopped = errors.New("stopped before it was started")

func errNotifySocket(err error) error {
	return fmt.Errorf("cannot open the notification socket: %w", err)
}

func errNotifyFD(err error) error {
	return fmt.Errorf("cannot open the notification descriptor: %w", err)
}

// unkillableText describes a process that waits in the kernel, mostly for a disk or a device.
const unkillableText = "unkillable: still alive after SIGKILL"

// sayUnkillable names a process. left says what of it lives on, if that is known.
func sayUnkillable(pid int, left string) string {
	return text(fmt.Sprintf("process %d is %s", pid, unkillableText), left)
}

// ended returns how a service has ended, as the reason for the end of the project.
func (s *service) ended() string { return s.spec.Label + " " + s.facts().describe() }

// Causes of a restart, and reasons of a state.
const (
	causeChanged = "its definition changed"
	causeDue     = "its next run is due"
	whyMissing   = "does not exist"
	whyElsewhere = "is a daemon that runs elsewhere, as docker run -d does"
)

func causeRestarted(dependency *project.Service) string { return dependency.Label + " restarted" }

func whyUnsupported(s *project.Service) string {
	return "not supported: " + strings.TrimPrefix(s.Unsupported, "not supported: ")
}

func whyNoCondition(cond project.Condition) string { return fmt.Sprintf("has no condition %q", cond) }

func whyNotLaunched(after time.Duration) string {
	return "its command has not ended after " + seconds(after) + ", as that of a daemon has to"
}

func whyOneshot(x project.Exit) string { return string(x.Process) + ": " + x.String() }

func whyWorn(restarts int, reason string) string {
	return "gave up after " + count(restarts, "restart") + ": " + reason
}

func whyNoZone(name string) string {
	return fmt.Sprintf("time zone %q is not known on this machine", name)
}

// when formats a moment in the time zone of a schedule.
func (s *service) when(t time.Time) string {
	t = t.In(s.zone)
	layout := "Mon 2 Jan 15:04"
	if t.Second() != 0 || s.cron == nil {
		layout += ":05"
	}
	return t.Format(layout + " MST")
}

// whyScheduled says when a service runs next, and how its last run went.
func (s *service) whyScheduled(now time.Time) string {
	text := "runs when another run is due before the last one is over"
	if !s.further() {
		text = "runs " + s.when(s.next) + ", in " + elapsed(s.next.Sub(now))
	}
	switch {
	case s.hasRun && s.ok:
		text += "; the last run succeeded"
	case s.hasRun:
		text += "; the last run failed: " + s.reason()
	}
	if s.missed > 0 {
		text += "; " + count(s.missed, "run") + " missed"
	}
	return text
}

// What is said about runs that are left out or late.
func sayMissedDown(n int, first string) string {
	return count(n, "planned run") + " missed while the project was not up, the first " + first
}

func saySetBack(by time.Duration, next string) string {
	return "the clock was set back by " + elapsed(by) + "; next run " + next
}

func sayLate(missed int, planned string, late time.Duration) string {
	text := "the run of " + planned + " comes " + elapsed(late) + " late"
	if missed > 0 {
		text += "; " + count(missed, "more run") + " missed"
	}
	return text + ": the machine was suspended, or its clock was set"
}

// sayLeftOut says why there is no room for one more run: as many are running as may be, or
// a further run was stopped or has failed.
func (c *core) sayLeftOut(s *service, planned string) string {
	text := "the run of " + planned + " is left out: "
	if s.spec.Schedule.Concurrent <= 1 || !s.state.Live() {
		return text + "the last one " + s.facts().describe()
	}
	running, out := 1, ""
	for _, other := range c.runsOf(s) {
		if other.state.Live() {
			running++
		} else {
			out += ", " + other.spec.Label + " " + other.facts().describe()
		}
	}
	if out == "" {
		out = ", as many as may be"
	}
	if running == 1 {
		return text + "1 is running" + out
	}
	return text + fmt.Sprint(running) + " are running" + out
}

// why explains the state of a service in one line.
func (c *core) why(s *service) string {
	now := c.world.Now()
	switch s.state {
	case control.Waiting:
		var parts []string
		for _, u := range c.unmet(s) {
			parts = append(parts, c.chain(u, now))
		}
		return "waits for " + strings.Join(parts, ", ")
	case control.Init, control.Setup:
		if s.oneshot != nil {
			return s.oneshot.doing(now)
		}
	case control.Starting:
		v := s.verdict()
		if v != nil && !v.OK {
			return s.amid(whyProbe(v))
		}
		if s.process != nil && s.process.spawned && !s.process.up() {
			return "its command launches the daemon"
		}
		if s.main.Startup != nil && v == nil {
			return "its startup probe has not passed yet"
		}
		if s.probed() {
			if s.main.Doing != "" {
				return s.main.Doing
			}
			return "its readiness probe has not passed yet"
		}
	case control.Unready:
		return s.whyUnready()
	case control.Scheduled:
		return s.whyScheduled(c.world.Clock())
	case control.Backoff:
		wait := max(s.pause.until.Sub(now), 0)
		return fmt.Sprintf("%s; restarts in %s", s.whole(), seconds(wait))
	case control.Ending, control.Restarting, control.Stopping:
		for _, r := range []*run{s.process, s.oneshot} {
			if r != nil && r.stopping {
				return text(r.stopText(now), s.why)
			}
		}
		return s.why
	case control.Failed:
		if watched := s.whyWatched(); watched != "" {
			return s.whole() + "; " + watched
		}
		return s.whole()
	case control.Skipped:
		return s.reason()
	case control.Completed:
		return cmp.Or(s.whyWatched(), strings.Trim(paren(s.exit), " ()"))
	case control.Running:
		return s.whyWatched()
	case control.Stopped:
		if s.spec.Disabled {
			return c.whyDisabled(s.spec)
		}
	}
	return ""
}

// whyDisabled says why a service does not start with the others.
func (c *core) whyDisabled(s *project.Service) string {
	switch {
	case len(s.Profiles) > 0:
		return "starts with profile " + strings.Join(s.Profiles, " or ")
	case s.Family != "" && (!c.project.Compose || s.Family == string(s.ID)):
		return "scaled to 0" // in YAML all of several replicas may be disabled
	}
	return "disabled"
}

// whyWatched says which files restart a service; "" where none do.
func (s *service) whyWatched() string {
	switch {
	case s.armed():
		return "restarts when " + s.spec.Watch.String() + " changes"
	case s.suspended:
		return "restarted itself: its files are not watched until a reload"
	}
	return ""
}

// chain names an unmet dependency, the one that this waits for itself, and so on, and says
// how the last one is: "api ← migrate ← db (starting, 8 s)".
func (c *core) chain(u control.Unmet, now time.Time) string {
	labels := []string{u.Label}
	seen := map[project.ID]bool{u.Service: true}
	at := c.services[u.Service]
	for at != nil && at.state == control.Waiting {
		behind := c.unmet(at)
		if len(behind) == 0 || seen[behind[0].Service] {
			break
		}
		u = behind[0]
		seen[u.Service] = true
		labels = append(labels, u.Label)
		at = c.services[u.Service]
	}
	how := strings.TrimPrefix(u.Why, "is ")
	if what, why, ok := strings.Cut(how, " ("); ok {
		how = what + ": " + strings.TrimSuffix(why, ")")
	}
	if at != nil && !at.since.IsZero() && at.state != control.Stopped {
		how += ", " + elapsed(now.Sub(at.since))
	}
	if u.Condition == project.Completed || u.Condition == project.Exited {
		how += "; not " + string(u.Condition) + " yet"
	}
	return strings.Join(labels, " ← ") + " (" + how + ")"
}

// doing says what a one-shot is doing, and for how long.
func (r *run) doing(now time.Time) string {
	text := "preparing: "
	if r.role == project.Setup {
		text = "setting up: "
	}
	text += cmp.Or(r.Process.Doing, "runs "+string(r.Process.ID))
	if !r.since.IsZero() {
		text += " (" + elapsed(now.Sub(r.since)) + ")"
	}
	return text
}

// reason says in a few words why a service has failed or was skipped.
func (s *service) reason() string {
	if s.why == "" && s.exit != nil {
		return s.exit.String()
	}
	return s.why
}

// whole is reason and what the process has said about it. Only status has that: in the
// output, the line of the process is just above the announcement.
func (s *service) whole() string {
	if s.exit == nil {
		return s.reason()
	}
	return text(s.reason(), s.exit.Said)
}

// telling returns the one of the last lines of an output that says most about why the
// process has ended: the last about an error, else the last.
func telling(lines []string) string {
	for _, line := range slices.Backward(lines) {
		low := strings.ToLower(line)
		for _, word := range []string{"error", "fatal", "emerg", "cannot", "can't", "failed", "failure", "panic", "exception", "denied", "no such", "not found", "invalid", "unknown"} {
			if strings.Contains(low, word) && !strings.HasPrefix(low, "hint:") {
				return oneLine(cause(line, lines))
			}
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return oneLine(lines[len(lines)-1])
}

// cause returns line, unless that is MariaDB's last one, which only says that it gives up:
// then the first error in lines is the cause.
func cause(line string, lines []string) string {
	if !strings.HasSuffix(line, "[ERROR] Aborting") {
		return line
	}
	return lines[slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "[ERROR]") })]
}

func (s *service) lastEnd() string {
	if s.exit == nil {
		return s.reason()
	}
	return s.exit.String()
}

// verdict returns the result that explains how the process is: the latest failure of a
// probe, even if another one has passed since, else the latest result.
func (s *service) verdict() *control.Probe {
	var found *control.Probe
	for _, v := range s.verdicts {
		if found == nil || found.OK || !v.OK {
			found = &v
		}
	}
	return found
}

// whyUnready returns what the probe that decides about readiness has said.
func (s *service) whyUnready() string {
	for _, v := range s.verdicts {
		if !v.OK && v.Role != project.LivenessProbe {
			return whyProbe(&v)
		}
	}
	return "its probe fails"
}

// amid puts what a service may be doing until it is ready before why it is not.
func (s *service) amid(why string) string {
	if s.main.Doing == "" {
		return why
	}
	return s.main.Doing + ": " + why
}

func whyProbe(p *control.Probe) string { return text(string(p.Role)+" probe failed", p.Output) }

// describe completes a sentence that begins with the service's name.
func (f facts) describe() string {
	switch f.state {
	case control.Stopped:
		return "is stopped"
	case control.Scheduled:
		switch {
		case !f.ended:
			return "has not run yet"
		case f.ok:
			return "ran last with success"
		}
		return "ran last without success" + paren(f.exit)
	case control.Waiting:
		return "waits for its own dependencies"
	case control.Init, control.Starting, control.Setup:
		return "is starting"
	case control.Running:
		return "is running"
	case control.Unready:
		return "is not ready"
	case control.Ending, control.Restarting:
		return "is restarting"
	case control.Backoff:
		return "is restarting" + paren(f.exit)
	case control.Stopping:
		return "is stopping"
	case control.Completed:
		return "has completed" + paren(f.exit)
	case control.Failed:
		return "failed (" + f.why + ")"
	case control.Skipped:
		return "was skipped (" + f.why + ")"
	}
	return "is " + string(f.state)
}

func paren(x *project.Exit) string {
	if x == nil || x.Code == 0 {
		return ""
	}
	return " (" + x.String() + ")"
}

// shutdownCommand is what a process has got before its signal.
const shutdownCommand = "its shutdown command"

// shutdownKeys is the same for what is typed.
const shutdownKeys = "its shutdown keys"

// progress says how far the stop of a process is.
func (r *run) progress(now time.Time) string {
	return r.service.spec.Label + " (" + r.stopText(now) + ")"
}

// stopText says what a process that is to stop has got, and what comes next.
func (r *run) stopText(now time.Time) string {
	switch {
	case r.unkillable:
		return unkillableText
	case r.killed:
		return "killed, still exiting"
	}
	told := "is still being started"
	if r.how != "" {
		told = "got " + r.how
	}
	return fmt.Sprintf("%s, killed in %s", told, seconds(max(r.killAt.Sub(now), 0)))
}

// text joins a headline and its detail.
func text(headline, detail string) string {
	if detail == "" {
		return headline
	}
	return headline + ": " + strings.TrimSpace(detail)
}

// count returns a number with its noun: "1 restart", "5 restarts".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// elapsed formats how long something has lasted so far: "8 s", "3 min".
func elapsed(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 72*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// size formats a number of bytes for people: "24 MiB".
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	for ; n >= 1024 && n%1024 == 0 && len(units) > 1; units = units[1:] {
		n /= 1024
	}
	return fmt.Sprintf("%d %s", n, units[0])
}

// seconds formats a duration for people, rounded: "3s", "500ms", "1m30s".
func seconds(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(100 * time.Millisecond)
		if d >= 10*time.Second {
			d = d.Round(time.Second)
		}
	} else {
		d = d.Round(10 * time.Millisecond)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
