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

// recoverGrace is how long leftovers of a dead supervisor have between TERM and KILL. It
// is short, since the kernel or the guard has told them to stop before.
const recoverGrace = 2 * time.Second

// A record is a running process, as in the journal and in the guard's list.
type record struct {
	pid    int
	start  uint64 // identifies the process, together with pid
	signal project.Signal
	cookie string
	// pipes are the inodes of stdout and stderr if those are pipes; else 0. Whoever has
	// a write end of one has got it from the process.
	pipes [2]uint64
	mark  uint64 // see newMark; 0: it has none
}

func (r record) line() string {
	return fmt.Sprintf("+ %d %d %d %s %d %d %d\n", r.pid, r.start, int(r.signal), r.cookie, r.pipes[0], r.pipes[1], r.mark)
}

// A ledger is a set of running processes, by pid.
type ledger map[int]record

// add applies a line of the journal, which says that a process has started or ended. It
// returns false if it says neither.
func (l ledger) add(line string) bool {
	f := strings.Fields(line)
	switch {
	case len(f) == 8 && f[0] == "+":
		pid, err1 := strconv.Atoi(f[1])
		start, err2 := strconv.ParseUint(f[2], 10, 64)
		sig, err3 := strconv.Atoi(f[3])
		out, err4 := strconv.ParseUint(f[5], 10, 64)
		errs, err5 := strconv.ParseUint(f[6], 10, 64)
		mark, err6 := strconv.ParseUint(f[7], 10, 64)
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil || pid <= 1 || sig < 1 || sig > 64 {
			return false
		}
		l[pid] = record{pid, start, project.Signal(sig), f[4], [2]uint64{out, errs}, mark}
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

// A journal keeps in a file what runs. The Host's lock guards it. The methods of nil do
// nothing.
//
// A full disk must not stop a service: what can't be written stays in memory, and once
// there is space the whole file is written again. Until then, what the file lacks is
// found by its cookie.
type journal struct {
	path  string
	file  *os.File // nil: it could not be written yet
	head  string
	live  ledger
	lines int
	late  []byte // of what has ended, to be written
	err   error  // why the file is not complete now
	done  bool   // the file is removed
}

// openJournal ends what the last owner of the file has left, and takes the file over.
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
		head: fmt.Sprintf("nix2gpu-journal 3 %s %s %d %d\n", opts.Run, bootID(), unix.Getpid(), self.Start),
		live: make(ledger),
	}
	j.rewrite() // CheckJournal reports an error
	return j, nil
}

// maxJournal bounds what is read, in bytes. A line has about 50, and there are at most
// 1000 lines, or four for each running process.
const maxJournal = 64 << 20

// Recover ends what the owner of a journal has left running when it died: the processes
// that the journal names, and those with a cookie of its run. A Host does so itself with
// its own journal. Others call it first if they must know that nothing is left, as does
// a check for free ports. If the owner is alive, the error is a *RunningError, and
// nothing is ended. Without a journal, nothing was left. Nor does it end anything for a
// damaged journal, or one of an earlier boot.
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
	if n, _ := fmt.Sscanf(head, "nix2gpu-journal 3 %s %s %d %d", &run, &boot, &owner, &start); n != 4 || boot != bootID() {
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

// sweep ends what is left of a run: the processes in the ledger, their descendants and
// the members of their sessions and groups, those that write to their pipes or have their
// mark, and those with a cookie of the run. It makes sure that the number of a leader is not another
// process's by now.
func (l ledger) sweep(run string, grace time.Duration) (found int, err error) {
	pipes, marks := make(map[string]record), make(map[uint64]record)
	for _, rec := range l {
		if rec.mark != 0 {
			marks[rec.mark] = rec
		}
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
				if rec, ok = bearer(info, marks); !ok {
					rec, ok = writer(info, pipes)
				}
				if !ok {
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
	found, _, err = sweep(find, signals, grace, nil)
	return found, err
}

// bearer returns the record of the process whose mark info has, if any.
func bearer(info Info, marks map[uint64]record) (record, bool) {
	if len(marks) == 0 || info.dead() {
		return record{}, false
	}
	rec, ok := marks[markOf(info.PID)]
	return rec, ok && info.Start >= rec.start
}

// writer returns the record of the process whose pipe info can write to, if any.
func writer(info Info, pipes map[string]record) (record, bool) {
	if len(pipes) == 0 || info.dead() {
		return record{}, false
	}
	dir, err := os.Open(procDir(info.PID) + "/fd")
	if err != nil {
		return record{}, false // we may not look, so it is none of ours
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
			return rec, true // the mode of the link says how the descriptor is open
		}
	}
	return record{}, false
}

// bootID identifies the boot of the machine. Pids of an earlier one mean nothing now.
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
	j.late = append(j.late, fmt.Sprintf("- %d\n", pid)...)
}

// flush writes which processes have ended. Until then, what the file says of them does no
// harm, unless their numbers are given to others that are started.
func (j *journal) flush() {
	if j != nil && len(j.late) > 0 {
		j.write("")
	}
}

// write appends a line. After a failure, which may have written half of one, it writes the
// whole file again.
func (j *journal) write(line string) {
	switch {
	case j.done:
	case j.err != nil:
		j.rewrite()
	default:
		j.late = append(j.late, line...)
		_, j.err = j.file.Write(j.late)
		j.lines += bytes.Count(j.late, []byte{'\n'})
	}
	j.late = j.late[:0]
}

// CheckJournal returns why the journal is not complete now, after another try to write it;
// nil if it is. While it is not, the next Host would not find all that we leave when we
// die.
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

// rewrite replaces the file by one that lists what runs now.
func (j *journal) rewrite() {
	var b strings.Builder
	b.WriteString(j.head)
	for _, rec := range j.live {
		b.WriteString(rec.line())
	}
	j.late = j.late[:0]
	f, err := safefile.Rewrite(j.path, []byte(b.String()), 0o600)
	if j.err = err; err != nil {
		return
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.lines = f, len(j.live)+1
}

// remove removes the file: nothing runs any more.
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
