package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/internal/testkit"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/stage"
)

// real is an engine over this machine.
type real struct {
	*testing.T
	*Engine
	out    *testkit.Buffer
	result chan Result
	close  func() string // everything that was printed, once all has ended
}

func onMachine(t *testing.T, p *project.Project, opts Options, with ...func(*Machine)) *real {
	t.Helper()
	dir := t.TempDir()
	host, err := process.New(process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	out := &testkit.Buffer{}
	hub, err := servicelog.Open(servicelog.Options{Dir: filepath.Join(dir, "logs"), Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	places := stage.Places{Root: dir, State: filepath.Join(dir, "state"), Run: filepath.Join(dir, "run"), Self: self}
	for _, d := range []string{places.State, places.Run} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := Machine{Host: host, Stage: stage.New(places, nil, stage.Options{}), Hub: hub}
	for _, f := range with {
		f(&m)
	}
	opts.World = m.World
	valid, err := project.Validated(p)
	if err != nil {
		t.Fatal(err)
	}
	r := &real{T: t, Engine: New(valid, opts), out: out, result: make(chan Result, 1)}
	go func() { r.result <- r.Engine.Run(t.Context()) }()
	closed := false
	r.close = func() string {
		if !closed {
			closed = true
			r.Down()
			<-r.Engine.done
			hub.Close(context.Background())
		}
		return out.String()
	}
	t.Cleanup(func() { r.close() })
	return r
}

// within bounds the tests that need real processes.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	return ctx
}

func sh(line string) project.Command { return project.Command{Shell: project.Lit(line)} }

func TestMachineRunsAService(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	p := services("db: +init +probe +setup restart=always", "api: db=ready")
	p.Processes["db-init"].Command = sh("echo making data")
	p.Processes["db-setup"].Command = sh("echo making tables")
	p.Processes["db"].Command = sh("trap 'echo bye; exit 0' TERM; echo up; touch " + ready + "; while :; do sleep 0.05; done")
	p.Processes["db"].Readiness = &project.Probe{Exec: &project.ExecCheck{Command: sh("test -e " + ready)}}
	p.Processes["api"].Command = sh("echo hello; exec sleep 100")
	p.Processes["api"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "hello"}}
	r := onMachine(t, p, Options{Settle: time.Millisecond})
	if _, err := r.Settled(within(t), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(within(t), "api", project.Ready); err != nil {
		t.Fatal(err)
	}
	st := r.Snapshot().Services[0]
	if st.State != control.Running || st.PID == 0 {
		t.Errorf("status = %+v", st)
	}
	got := r.close()
	at := -1
	for _, line := range []string{
		"[nix2gpu] starting process-compose with 2 services\n", "[nix2gpu] db: starting\n", "[nix2gpu] api: waiting for dependencies\n",
		"[db] making data\n", "[db] up\n", "[db] making tables\n", "[nix2gpu] db: ready\n", "[nix2gpu] api: starting\n",
		"[api] hello\n", "[nix2gpu] stopping 2 services\n", "[db] bye\n", "[nix2gpu] all services stopped\n",
	} {
		i := strings.Index(got, line)
		if i <= at {
			t.Errorf("%q is not at its place in:\n%s", line, got)
		}
		at = i
	}
}

// Who says that it does not take its configuration is not started again, and the
// reason names the place where that was written. Others are.
// A main process waits for its admission; init one-shots and other services do not. One
// that is not admitted fails for good, without having run.
func TestMachineAdmits(t *testing.T) {
	p := services("db: +init restart=always", "web: restart=always", "api:")
	p.Processes["db-init"].Command = sh("echo making data")
	p.Processes["db"].Command = sh("echo up; exec sleep 100")
	p.Processes["web"].Command = sh("echo never")
	p.Processes["api"].Command = sh("exec sleep 100")
	answer := make(chan struct{})
	r := onMachine(t, p, Options{Settle: time.Millisecond}, func(m *Machine) {
		m.Admit = func(_ *project.Project, main *project.Process, cancel <-chan struct{}) error {
			switch main.ID {
			case "db":
				select {
				case <-answer:
				case <-cancel:
				}
			case "web":
				return &RejectedError{Msg: "w.nix:1: web rejects it", Hint: "mend it"}
			case "db-init":
				t.Error("an init one-shot asked")
			}
			return nil
		}
	})
	for id, cond := range map[project.ID]project.Condition{"api": project.Ready, "web": project.Ready} {
		if err := r.Wait(within(t), id, cond); (err != nil) != (id == "web") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if !testkit.Eventually(func() bool { return r.Snapshot().Services[1].State == control.Starting }) { // its init is done
		t.Fatalf("db is %+v", r.Snapshot().Services[1])
	}
	if db := r.Snapshot().Services[1]; db.PID != 0 {
		t.Errorf("db runs before it is admitted: %+v", db)
	}
	if web := r.Snapshot().Services[2]; web.State != control.Failed || !web.Exit.Final || web.Exit.Error != "w.nix:1: web rejects it" || web.Exit.Hint != "mend it" || web.Exit.Code != 1 {
		t.Errorf("web = %+v, %+v", web, web.Exit)
	}
	close(answer)
	if err := r.Wait(within(t), "db", project.Ready); err != nil {
		t.Error(err)
	}
	if out := r.close(); strings.Contains(out, "[web]") || !strings.Contains(out, "[nix2gpu] web: failed: w.nix:1: web rejects it\n") {
		t.Errorf("it says\n%s", out)
	}
}

// A stop ends the wait for an admission.
func TestMachineStopsWhatWaitsForAdmission(t *testing.T) {
	p := services("db:")
	p.Processes["db"].Command = sh("exec sleep 100")
	asked := make(chan struct{})
	r := onMachine(t, p, Options{}, func(m *Machine) {
		m.Admit = func(_ *project.Project, _ *project.Process, cancel <-chan struct{}) error {
			close(asked)
			<-cancel
			return nil
		}
	})
	select {
	case <-asked:
	case <-within(t).Done():
		t.Fatal("nobody asked")
	}
	r.Down()
	if got := <-r.result; got.Code != 0 {
		t.Errorf("result %+v", got)
	}
	if out := r.close(); strings.Contains(out, "db: failed") {
		t.Errorf("it says\n%s", out)
	}
}

func TestMachineKnowsRefusals(t *testing.T) {
	p := services("a: restart=always", "b: restart=always max=1")
	for _, id := range []project.ID{"a", "b"} {
		p.Processes[id].Refusals = []string{"no such thing", "could not load …a.conf"}
	}
	p.Processes["a"].Command = sh("echo 'bad line 3'; echo 'FATAL: could not load /x/a.conf'; exit 1")
	p.Processes["b"].Command = sh("echo 'a.conf: could not load'; exit 1")
	r := onMachine(t, p, Options{}, func(m *Machine) {
		m.Explain = func(_ *project.Project, _ *project.Process, lines []string) (pos project.Pos, text string, ok bool) {
			return project.Pos{File: "def.nix", Line: 7}, "bad", slices.Contains(lines, "bad line 3")
		}
	})
	<-r.result
	for _, st := range r.Snapshot().Services {
		switch st.ID {
		case "a":
			if st.State != control.Failed || st.Restarts != 0 || !st.Exit.Final || st.Exit.Said != "def.nix:7: bad" || st.Exit.Hint != "correct def.nix:7" {
				t.Errorf("a = %+v, exit %+v", st, st.Exit)
			}
		case "b":
			if st.Restarts != 1 || st.Exit.Final || st.Exit.Said != "a.conf: could not load" {
				t.Errorf("b = %+v, exit %+v", st, st.Exit)
			}
		}
	}
}

func TestMachineSaysWhy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := services("absent", "crash", "busy", "after: crash=completed")
	p.Processes["absent"].Command = sh("no-such-program --flag")
	p.Processes["crash"].Command = sh("kill -SEGV $$; true")
	p.Processes["busy"].Command = sh("false; exit 3")
	p.Services["busy"].Ports = []project.Port{{Port: listener.Addr().(*net.TCPAddr).Port}}
	r := onMachine(t, p, Options{})
	result := <-r.result
	if result.Code == 0 {
		t.Errorf("result = %+v", result)
	}
	for id, want := range map[project.ID]string{
		"absent": `failed command "no-such-program" does not exist`,
		"crash":  "failed killed by SIGSEGV",
		"busy":   "failed exit code 3",
		"after":  "skipped crash failed (killed by SIGSEGV)",
	} {
		for _, st := range r.Snapshot().Services {
			if got := string(st.State) + " " + st.Why; st.ID == id && got != want {
				t.Errorf("%s: %s, want %s", id, got, want)
			}
		}
	}
	if got, want := r.close(), fmt.Sprintf("busy: hint: port %d is used by", listener.Addr().(*net.TCPAddr).Port); !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}

// A process that ignores its signal, with a descendant that left its session.
func TestMachineStopsTheStubborn(t *testing.T) {
	p := services("deaf: grace=200ms")
	p.Processes["deaf"].Command = sh("trap '' TERM; setsid sleep 1000 & echo on; while :; do sleep 0.05; done")
	p.Processes["deaf"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "on"}}
	r := onMachine(t, p, Options{})
	if err := r.Wait(within(t), "deaf", project.Ready); err != nil {
		t.Fatal(err)
	}
	pid := r.Snapshot().Services[0].PID
	if got := r.close(); !strings.Contains(got, "deaf: killed, still running ") {
		t.Errorf("got:\n%s", got)
	}
	if _, err := process.Inspect(pid); err == nil {
		t.Errorf("process %d still lives", pid)
	}
}

func TestMachineNotifications(t *testing.T) {
	p := services("sd: +probe", "s6: +probe", "s3: +probe")
	p.Processes["sd"].Command = sh(`python3 -c 'import os,socket,time
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); a=os.environ["NOTIFY_SOCKET"]
s.sendto(b"READY=1", "\0"+a[1:] if a[0]=="@" else a); time.sleep(100)'; true`)
	p.Processes["sd"].Readiness = &project.Probe{Notify: &project.NotifyCheck{Socket: true}}
	p.Processes["s6"].Command = sh("echo >&5; exec sleep 100")
	p.Processes["s6"].Readiness = &project.Probe{Notify: &project.NotifyCheck{FD: 5}}
	p.Processes["s3"].Command = sh("echo >&3; exec sleep 100") // the first that is no stdio
	p.Processes["s3"].Readiness = &project.Probe{Notify: &project.NotifyCheck{FD: 3}}
	r := onMachine(t, p, Options{})
	for _, id := range []project.ID{"sd", "s6", "s3"} {
		if err := r.Wait(within(t), id, project.Ready); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// A command that checks says why not with what it prints; one that hangs is
// ended, and what it left with it.
func TestMachineExecProbe(t *testing.T) {
	dir := t.TempDir()
	p := services("a", "b")
	p.Processes["a"].Command = sh("exec sleep 1000")
	p.Processes["a"].Readiness = &project.Probe{
		Exec:    &project.ExecCheck{Command: sh("test -e " + dir + "/go || { echo not; echo yet >&2; exit 3; }")},
		Timeout: project.Duration(testkit.Patience), Period: project.Duration(10 * time.Millisecond),
	}
	p.Processes["b"].Command = sh("exec sleep 1000")
	p.Processes["b"].Readiness = &project.Probe{
		Exec:    &project.ExecCheck{Command: sh("echo $$ >> " + dir + "/hung; sleep 1000; true")},
		Timeout: project.Duration(50 * time.Millisecond), Period: project.Duration(10 * time.Millisecond),
	}
	r := onMachine(t, p, Options{})
	output := func(i int) string {
		if pr := r.Snapshot().Services[i].Probe; pr != nil && !pr.OK {
			return pr.Output
		}
		return ""
	}
	for i, want := range []string{"not yet", "timed out after 50ms"} {
		if !testkit.Eventually(func() bool { return strings.Contains(output(i), want) }) {
			t.Errorf("%s: probe says %q, want %q", r.Snapshot().Services[i].ID, output(i), want)
		}
	}
	if got := r.Snapshot().Services[0].State; got != control.Starting {
		t.Errorf("a is %s while its probe fails", got)
	}
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(within(t), "a", project.Ready); err != nil {
		t.Fatal(err)
	}
	r.close()
	if !testkit.Eventually(func() bool { return len(alive(t, dir+"/hung")) == 0 }) {
		t.Errorf("%v of the probe are left", alive(t, dir+"/hung"))
	}
}

func TestMachineShutdownCommand(t *testing.T) {
	p := services("a")
	p.Processes["a"].Command = sh("trap 'echo told; exit 0' USR1; echo on; while :; do sleep 0.02; done")
	p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Pattern: "^on$"}}
	p.Processes["a"].Shutdown.Command = &project.Command{Shell: project.Lit("echo asking; kill -USR1 $MAINPID")}
	r := onMachine(t, p, Options{})
	if err := r.Wait(within(t), "a", project.Ready); err != nil {
		t.Fatal(err)
	}
	got := r.close()
	if !strings.Contains(got, "[a] asking\n") || !strings.Contains(got, "[a] told\n") {
		t.Errorf("got:\n%s", got)
	}
}

// Whatever is asked for at once, one process of each service lives, and none
// is left at the end.
func TestMachineStorm(t *testing.T) {
	dir := t.TempDir()
	p := services("a: grace=100ms", "b: a=ready", "c: b=ready+restart", "d: restart=always delay=10ms")
	for id, m := range p.Processes {
		m.Command = sh(fmt.Sprintf("echo $$ >> %s/%s; echo up; exec sleep 1000", dir, id))
		m.Readiness = &project.Probe{Log: &project.LogCheck{Contains: "up"}}
	}
	p.Processes["d"].Command = sh(fmt.Sprintf("echo $$ >> %s/d; exec sleep 0.02", dir))
	r := onMachine(t, p, Options{})
	var storm sync.WaitGroup
	for range 4 {
		storm.Go(func() {
			for i := range 50 {
				ids := []project.ID{project.ID("abcd"[i%4 : i%4+1]), "a"}
				var err error
				switch i % 5 {
				case 0:
					err = r.Stop(t.Context(), ids)
				case 1:
					_, err = r.Start(t.Context(), ids, StartOptions{})
				case 2:
					r.Snapshot()
				default:
					err = r.Restart(t.Context(), ids)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	storm.Wait()
	if _, err := r.Start(t.Context(), nil, StartOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []project.ID{"a", "b", "c"} {
		if err := r.Wait(within(t), id, project.Ready); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if !testkit.Eventually(func() bool { return len(alive(t, filepath.Join(dir, string(id)))) == 1 }) { // it may not be sleep yet
			t.Errorf("%d processes of %s live, want 1", len(alive(t, filepath.Join(dir, string(id)))), id)
		}
	}
	r.close()
	for _, id := range []string{"a", "b", "c", "d"} {
		if left := alive(t, filepath.Join(dir, id)); len(left) > 0 {
			t.Errorf("%v of %s are left", left, id)
		}
	}
}

// alive lists the processes of a file of pids that are still sleeping.
func alive(t *testing.T, file string) []string {
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var live []string
	for _, pid := range strings.Fields(string(data)) {
		comm, err := os.ReadFile("/proc/" + pid + "/comm")
		if err == nil && (string(comm) == "sleep\n" || string(comm) == "bash\n") {
			live = append(live, pid)
		}
	}
	return live
}

// Many lives of a service leave nothing behind in us.
func TestMachineLeaksNothing(t *testing.T) {
	p := services("a: restart=always delay=0s +setup")
	p.Processes["a"].Command = sh("sleep 0.01; true")
	p.Processes["a-setup"].Command = sh("true")
	p.Processes["a"].Readiness = &project.Probe{Exec: &project.ExecCheck{Command: sh("true")}}
	r := onMachine(t, p, Options{})
	starts := func(n int) {
		for r.Snapshot().Services[0].Starts < n {
			if t.Context().Err() != nil {
				t.FailNow()
			}
			time.Sleep(5 * time.Millisecond) // the fact is a count, which nothing announces
		}
	}
	starts(20)
	goroutines, fds := runtime.NumGoroutine(), openFiles(t)
	starts(80)
	// What one start leaves for a moment may be seen; what every start left stays.
	if !testkit.Eventually(func() bool { return runtime.NumGoroutine() <= goroutines+20 }) {
		t.Errorf("%d goroutines after 20 starts, %d after 80", goroutines, runtime.NumGoroutine())
	}
	if !testkit.Eventually(func() bool { return openFiles(t) <= fds+20 }) {
		t.Errorf("%d open files after 20 starts, %d after 80", fds, openFiles(t))
	}
	t.Attr("R9", fmt.Sprintf("after 20 and 80 starts: %d and %d descriptors, %d and %d goroutines", fds, openFiles(t), goroutines, runtime.NumGoroutine()))
}

func openFiles(t *testing.T) int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// The copy of the log that a process asks for lies beside our own file.
func TestMachineLogFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "a.log")
	p := services("a: restart=no")
	p.Processes["a"].Command = sh("echo one; echo two >&2; printf three; true")
	p.Processes["a"].Log.File = project.Lit(file)
	r := onMachine(t, p, Options{})
	<-r.result
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(data)) // two streams have no order between them
	slices.Sort(got)
	if want := "one three two"; strings.Join(got, " ") != want {
		t.Errorf("the copy holds %q", data)
	}
	if opened(t, file) {
		t.Error("the copy is still open after the end")
	}
	if out := r.close(); strings.Contains(out, "cannot be ended") {
		t.Errorf("it says that something is left:\n%s", out)
	}
}

// opened reports whether we have a file open.
func opened(t *testing.T, file string) bool {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(fds, func(fd string) bool {
		to, _ := os.Readlink(fd)
		return to == file
	})
}

// What could not be written is said before anything is made; what could be
// made is no reason to complain.
func TestCheckLogFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, "fifo", dir+"/link")
	link(t, "none/log", dir+"/dangling")
	if err := os.WriteFile(dir+"/old", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st := stage.New(stage.Places{Root: dir}, nil, stage.Options{})
	for location, want := range map[string]*LogFileError{
		"":                nil,
		"/dev/stdout":     nil,
		dir + "/new":      nil,
		dir + "/old":      nil,
		dir + "/deep/new": nil,
		dir + "/dangling": nil,
		dir + "/fifo":     {Path: dir + "/fifo", Why: "it is a FIFO", Hint: "remove it"},
		dir + "/link":     {Path: dir + "/link", Why: "it is a FIFO", Hint: "remove it"},
		dir + "/fifo/x":   {Path: dir + "/fifo/x", Why: "not a directory", Hint: "set log_location to a file that can be written to"},
		dir:               {Path: dir, Why: "it is a folder", Hint: "set log_location to a file that can be written to"},
		"/dev/full":       {Path: "/dev/full", Why: "it is a device", Hint: "set log_location to a file that can be written to"},
		"/dev/fd/1":       nil,
		"/proc/self/fd/2": nil,
	} {
		p := services("a")
		p.Processes["a"].Log.File = project.Lit(location)
		err := CheckLogFile(st, p, p.Processes["a"])
		var got *LogFileError
		if errors.As(err, &got); (err == nil) != (want == nil) || want != nil && (got == nil || *got != *want) {
			t.Errorf("%q: %#v (%v), want %#v", location, got, err, want)
		}
	}
	if opened(t, dir+"/old") {
		t.Error("a file that was only looked at is open")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 4 {
		t.Errorf("%v (%v) are there after the checks, want what was there before", left, err)
	}
}

// A copy that cannot be made after all is told with its cure.
func TestMachineLogFileCannotBeMade(t *testing.T) {
	file := link(t, filepath.Join(t.TempDir(), "none", "log"), filepath.Join(t.TempDir(), "log"))
	p := services("a: restart=no")
	p.Processes["a"].Command = sh("true")
	p.Processes["a"].Log.File = project.Lit(file)
	r := onMachine(t, p, Options{})
	<-r.result
	exit := r.Snapshot().Services[0].Exit
	if exit == nil || exit.Hint != "set log_location to a file that can be written to" || !strings.Contains(exit.Error, file) {
		t.Errorf("exit = %+v", exit)
	}
}

// A service begins only when there are descriptors for all that it needs, and
// has given back its own when it has ended.
func TestMachineWaitsForFiles(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	p := services("a", "b")
	p.Processes["a"].Command = sh("trap 'touch " + gone + "; exit 0' TERM; echo on; while :; do sleep 0.02; done")
	p.Processes["b"].Command = sh("test -e " + gone + " && echo after || echo early; exec sleep 100")
	p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "on"}}
	p.Processes["b"].Readiness = &project.Probe{Log: &project.LogCheck{Pattern: "after|early"}}
	const enoughForOne = 2*filesRun + filesBegin - 1
	var files *process.Files
	r := onMachine(t, p, Options{Services: []project.ID{"a"}, Stay: true}, func(m *Machine) {
		files = process.NewFiles(1<<12, testkit.Patience)
		drain(files)
		files.Give(enoughForOne)
		m.Files = files
	})
	if err := r.Wait(within(t), "a", project.Ready); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(within(t), []project.ID{"b"}, StartOptions{}); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool { return r.Snapshot().Services[1].State == control.Starting }) {
		t.Fatal("b does not start")
	}
	if err := r.Stop(within(t), []project.ID{"a"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(within(t), "b", project.Ready); err != nil {
		t.Fatal(err)
	}
	if got := r.close(); !strings.Contains(got, "[b] after\n") {
		t.Errorf("b did not wait:\n%s", got)
	}
	if got := drain(files); got != enoughForOne {
		t.Errorf("%d descriptors were given back, want %d", got, enoughForOne)
	}
}

// drain takes all that is free, and says how much that was.
func drain(files *process.Files) (n int) {
	now := make(chan struct{})
	close(now)
	for files.Take(1, now) == nil {
		n++
	}
	return n
}

// Who asks for only its main process to be ended keeps the others; everybody
// else's descendants end with it, wherever they hide.
func TestMachineKillMode(t *testing.T) {
	for mode, want := range map[project.KillMode]bool{"": false, project.KillProcess: true} {
		t.Run(string(mode), func(t *testing.T) {
			p := services("a")
			p.Processes["a"].Command = sh("setsid sleep 1000 & echo pid $!; exec sleep 1000")
			p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "pid"}}
			p.Processes["a"].KillMode = mode
			r := onMachine(t, p, Options{Stay: true})
			if err := r.Wait(within(t), "a", project.Ready); err != nil {
				t.Fatal(err)
			}
			if err := r.Stop(within(t), []project.ID{"a"}); err != nil {
				t.Fatal(err)
			}
			if err := r.Stopped(within(t), nil); err != nil {
				t.Fatal(err)
			}
			out, pid := r.close(), 0
			_, said, _ := strings.Cut(out, "[a] pid ")
			if _, err := fmt.Sscan(said, &pid); err != nil {
				t.Fatalf("%v: no pid in\n%s", err, out)
			}
			info, err := process.Inspect(pid)
			if lives := err == nil && info.State != 'Z'; lives != want {
				t.Errorf("its descendant lives: %v, want %v", lives, want)
			}
		})
	}
}

// A link of ours is followed; what is on stdout already gets no file; nothing
// that was planted is written to, or waited for.
func TestMachineLogLocation(t *testing.T) {
	const stranger = 4242
	for _, tt := range []struct {
		name  string
		make  func(t *testing.T, dir string) (location string)
		wrote string // the file below dir that has the lines; "": none
		why   string // the run's error
	}{
		{name: "link of ours", wrote: "target", make: func(t *testing.T, dir string) string {
			return link(t, "target", dir+"/log")
		}},
		{name: "stdout", make: func(*testing.T, string) string { return "/dev/stdout" }},
		{name: "stderr", make: func(*testing.T, string) string { return "/dev/stderr" }},
		{name: "stdout by its number", make: func(*testing.T, string) string { return "/proc/self/fd/1" }},
		{name: "null", make: func(*testing.T, string) string { return "/dev/null" }},
		{name: "link of a stranger", why: "is a link", make: func(t *testing.T, dir string) string {
			if os.Geteuid() != 0 {
				t.Skip("only root can make a link for another user")
			}
			path := link(t, "target", dir+"/log")
			if err := os.Lchown(path, stranger, stranger); err != nil {
				t.Fatal(err)
			}
			return path
		}},
		{name: "FIFO", why: "is a FIFO", make: func(t *testing.T, dir string) string {
			if err := syscall.Mkfifo(dir+"/log", 0o666); err != nil {
				t.Fatal(err)
			}
			return dir + "/log"
		}},
		{name: "device", why: "is a device", make: func(*testing.T, string) string { return "/dev/zero" }},
		{name: "folder", why: "is a folder", make: func(_ *testing.T, dir string) string { return dir }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := services("b: restart=no")
			p.Processes["b"].Command = sh("echo hello; true")
			p.Processes["b"].Log.File = project.Lit(tt.make(t, dir))
			result := <-onMachine(t, p, Options{}).result
			if tt.why == "" != (result.Code == 0) || !strings.Contains(result.Reason, tt.why) {
				t.Errorf("result = %+v, want %q", result, tt.why)
			}
			for _, name := range []string{"target", "log"} {
				info, err := os.Lstat(filepath.Join(dir, name))
				if err != nil || !info.Mode().IsRegular() {
					continue
				}
				if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || name != tt.wrote || string(data) != "hello\n" {
					t.Errorf("%s has %q, %v", name, data, err)
				}
			}
			if tt.wrote != "" {
				if _, err := os.Stat(filepath.Join(dir, tt.wrote)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// link makes a link and returns its path.
func link(t *testing.T, to, path string) string {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMachineUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	p := services("a: restart=no")
	p.Processes["a"].Command = project.Command{Exec: []project.Text{project.Lit("id"), project.Lit("-un")}}
	p.Processes["a"].Dir = project.Lit("/")
	p.Processes["a"].User = "nobody"
	r := onMachine(t, p, Options{})
	<-r.result
	if got := r.close(); !strings.Contains(got, "[a] nobody\n") {
		t.Errorf("got:\n%s", got)
	}
}

// A shutdown command that does not work costs the process nothing.
func TestMachineShutdownCommandFails(t *testing.T) {
	p := services("a")
	p.Processes["a"].Command = sh("trap 'echo told; exit 0' TERM; echo on; while :; do sleep 0.02; done")
	p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "on"}}
	p.Processes["a"].Shutdown.Command = &project.Command{Shell: project.Lit("echo no; exit 4")}
	r := onMachine(t, p, Options{})
	if err := r.Wait(within(t), "a", project.Ready); err != nil {
		t.Fatal(err)
	}
	if err := r.Kill(within(t), []project.ID{"a"}, project.SIGCONT); err != nil {
		t.Error(err)
	}
	if err := r.Stop(within(t), []project.ID{"a"}); err != nil {
		t.Error(err)
	}
	if err := r.Stopped(within(t), nil); err != nil {
		t.Error(err)
	}
	got := r.close()
	for _, line := range []string{"[a] no\n", "[nix2gpu] a: shutdown command: exit code 4\n", "[a] told\n", "[nix2gpu] a: stopped\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

// A real-time signal is sent as it is named, and the log says no more than
// was done.
func TestMachineStopsByRealTimeSignal(t *testing.T) {
	p := services("a")
	p.Processes["a"].Command = sh("trap 'echo told; exit 0' 64; echo on; while :; do sleep 0.02; done")
	p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "on"}}
	p.Processes["a"].Shutdown.Signal = 64 // SIGRTMAX
	r := onMachine(t, p, Options{})
	if err := r.Wait(within(t), "a", project.Ready); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(within(t), []project.ID{"a"}); err != nil {
		t.Error(err)
	}
	if err := r.Stopped(within(t), nil); err != nil {
		t.Error(err)
	}
	if got := r.close(); !strings.Contains(got, "[a] told\n") || strings.Contains(got, "killed") {
		t.Errorf("got:\n%s", got)
	}
}
