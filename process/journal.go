package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
	"nix2gpu/safefile"
)

// A RunningError says that the journal's owner is alive.
type RunningError struct{ PID int }

func (e *RunningError) Error() string {
	return fmt.Sprintf("already running as pid %d", e.PID)
}

// recoverGrace is what leftovers of a dead supervisor get between TERM and
// KILL: its guard has told them to stop before.
const recoverGrace = 2 * time.Second

// A record is one running process, as the journal and the guard know it.
type record struct {
	pid    int
	start  uint64 // with pid it names the process for ever
	signal project.Signal
	cookie string
	// pipes are the inodes of those that its stdout and stderr are; 0: none.
	// Whoever holds an end for writing had it from the process.
	pipes [2]uint64
}

func (r record) line() string {
	return fmt.Sprintf("+ %d %d %d %s %d %d\n", r.pid, r.start, int(r.signal), r.cookie, r.pipes[0], r.pipes[1])
}

// ledger is the running processes that a list of lines leaves.
type ledger map[int]record

// add reads one line of a record's start or end; false when it is neither.
func (l ledger) add(line string) bool {
	f := strings.Fields(line)
	switch {
	case len(f) == 7 && f[0] == "+":
		pid, err1 := strconv.Atoi(f[1])
		start, err2 := strconv.ParseUint(f[2], 10, 64)
		sig, err3 := strconv.Atoi(f[3])
		out, err4 := strconv.ParseUint(f[5], 10, 64)
		errs, err5 := strconv.ParseUint(f[6], 10, 64)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil || pid <= 1 || sig < 1 || sig > 64 {
			return false
		}
		l[pid] = record{pid, start, project.Signal(sig), f[4], [2]uint64{out, errs}}
	case len(f) == 2 && f[0] == "-":
		pid, err := strconv.Atoi(f[1])
		if err != nil {
			return false
		}
		delete(l, pid)
	default:
		return false
	}
	return true
}

// A journal remembers what runs in a file. Its methods do nothing when nil.
// The Host's lock guards it.
//
// A full disk must stop no service: what cannot be written is kept in mind,
// and the whole file written again once there is space. Until then the cookies
// find what it lacks.
type journal struct {
	path  string
	file  *os.File // nil: not there
	head  string
	live  ledger
	lines int
	err   error // why it lacks something now
	done  bool  // removed
}

// openJournal ends what the file's last owner left, and takes the file over.
func openJournal(opts Options) (*journal, error) {
	if opts.Journal == "" {
		return nil, nil
	}
	found, err := Recover(opts.Journal)
	switch {
	case errors.Is(err, errNoProc):
		opts.Log.Warn("cannot look for what an earlier run has left", "err", err)
	case err != nil:
		return nil, err
	case found > 0:
		opts.Log.Warn("ended what an earlier run had left running", "count", found)
	}
	self, _ := Inspect(unix.Getpid())
	j := &journal{
		path: opts.Journal,
		head: fmt.Sprintf("nix2gpu-journal 2 %s %s %d %d\n", opts.Run, bootID(), unix.Getpid(), self.Start),
		live: make(ledger),
	}
	j.rewrite() // CheckJournal says whether it could be
	return j, nil
}

// maxJournal bounds what is read: a line is some 50 bytes, and there are at
// most 1000 lines, or four times the running processes.
const maxJournal = 64 << 20

// Recover ends what the owner of a journal left running when it died: the
// processes that the journal names, or that bear its run's cookie. A Host does
// it with its own journal; it is for who must know beforehand that nothing is
// left, such as a check for free ports. An owner that is alive is a
// *RunningError, and nothing is ended. Without a journal the last end was
// orderly; one of an earlier boot, or a torn one, names nobody that could run.
func Recover(path string) (ended int, err error) {
	data, err := safefile.ReadFile(path, maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot read the journal of the last run: %w", err)
	}
	head, rest, _ := strings.Cut(string(data), "\n")
	var run, boot string
	var owner int
	var start uint64
	if n, _ := fmt.Sscanf(head, "nix2gpu-journal 2 %s %s %d %d", &run, &boot, &owner, &start); n != 4 || boot != bootID() {
		return 0, nil
	}
	if info, err := Inspect(owner); err == nil && info.Start == start && !info.dead() && owner != unix.Getpid() {
		return 0, &RunningError{PID: owner}
	}
	left := make(ledger)
	for line := range strings.Lines(rest) {
		if strings.HasSuffix(line, "\n") {
			left.add(line)
		}
	}
	return left.sweep(run, recoverGrace)
}

// sweep ends the run: what the ledger names with all below it and in its
// sessions and groups, what writes to the pipes of those, and what bears a
// cookie of the run. The number of a leader that is dead may be another's.
func (l ledger) sweep(run string, grace time.Duration) (found int, err error) {
	pipes := make(map[string]record)
	for _, rec := range l {
		for _, inode := range rec.pipes {
			if inode != 0 {
				pipes[fmt.Sprintf("pipe:[%d]", inode)] = rec
			}
		}
	}
	signals := make(map[int]project.Signal)
	find := func(t *table) map[int]Info {
		set := make(map[int]Info)
		if run != "" {
			set = marked(t, run+"/")
		}
		for _, info := range t.byPID {
			rec, ok := l[info.PID]
			if !ok {
				rec, ok = l[info.SID]
			}
			if !ok {
				rec, ok = l[info.PGID]
			}
			if leader := t.byPID[rec.pid]; !ok || leader.Start != rec.start || info.Start < rec.start {
				if rec, ok = writer(info, pipes); !ok {
					continue
				}
			}
			mine := make(map[int]Info)
			t.below(info.PID, mine)
			for pid, info := range mine {
				set[pid], signals[pid] = info, rec.signal
			}
		}
		for pid := range ancestors(t) {
			delete(set, pid)
		}
		return set
	}
	return sweep(find, signals, grace)
}

// writer finds out whether a process writes to one of the pipes.
func writer(info Info, pipes map[string]record) (record, bool) {
	if len(pipes) == 0 || info.dead() {
		return record{}, false
	}
	dir, err := os.Open(procDir(info.PID) + "/fd")
	if err != nil {
		return record{}, false // not ours to see, so not of ours
	}
	defer dir.Close()
	fds, _ := dir.Readdirnames(-1)
	for _, fd := range fds {
		link, err := os.Readlink(dir.Name() + "/" + fd)
		if err != nil {
			continue
		}
		rec, ok := pipes[link]
		if !ok || info.Start < rec.start {
			continue
		}
		if st, err := os.Lstat(dir.Name() + "/" + fd); err == nil && st.Mode()&0o200 != 0 {
			return rec, true // the link's mode is that of the descriptor
		}
	}
	return record{}, false
}

// bootID tells the runs of the kernel apart: pids of an earlier one mean nothing.
func bootID() string {
	id, _ := readProc("/proc/sys/kernel/random/boot_id")
	if id = bytes.TrimSpace(id); len(id) == 0 {
		return "unknown"
	}
	return string(id)
}

func (j *journal) started(rec record) {
	if j == nil {
		return
	}
	j.live[rec.pid] = rec
	j.write(rec.line())
}

func (j *journal) ended(pid int) {
	if j == nil {
		return
	}
	if _, ok := j.live[pid]; !ok {
		return
	}
	delete(j.live, pid)
	if j.lines > 1000 && j.lines > 4*len(j.live) {
		j.rewrite()
		return
	}
	j.write(fmt.Sprintf("- %d\n", pid))
}

// write appends one line. Half a line, and what would follow it, is not a record:
// after a failure the file is written again.
func (j *journal) write(line string) {
	switch {
	case j.done:
	case j.err != nil:
		j.rewrite()
	default:
		_, j.err = j.file.WriteString(line)
		j.lines++
	}
}

// CheckJournal says why the journal lacks something now, after another try to
// write it; nil when it is complete. Meanwhile the next Host would not find
// all that we leave when we die.
func (h *Host) CheckJournal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.journal
	if j == nil || j.err == nil || j.done {
		return nil
	}
	j.rewrite()
	return j.err
}

// rewrite replaces the file by what still counts.
func (j *journal) rewrite() {
	var b strings.Builder
	b.WriteString(j.head)
	for _, rec := range j.live {
		b.WriteString(rec.line())
	}
	f, err := safefile.Rewrite(j.path, []byte(b.String()), 0o600)
	if j.err = err; err != nil {
		return
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.lines = f, len(j.live)+1
}

// remove ends the journal: nothing is left to remember.
func (j *journal) remove() error {
	if j == nil {
		return nil
	}
	if j.file != nil {
		j.file.Close()
		j.file = nil
	}
	j.done = true
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the journal: %v", err)
	}
	return nil
}
