package servicelog

import (
	"context"
	"os"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// One bound for all logs of a folder. Their current files count as full, so that none of
// them has to be looked at while it grows, and the older ones have the rest.

const (
	// currentShare is the part of the bound that current files may take together.
	currentShare = 4
	// leastPart is how large a file may become whatever the bound. So a bound can be held if
	// it is currentShare times as much for each log.
	leastPart = 128 << 10
	// lookAgain is how often others' files are looked at: those of packing, and of runs.
	lookAgain = time.Minute
)

// Bound bounds the bytes of all logs in the folder together, also of those that nobody
// writes any more; 0: by nothing. Each of those that are known by now gets its part; what is
// beyond goes in the background. It may wait for the disk.
func (h *Hub) Bound(bytes int64) {
	h.bound.Store(bytes)
	h.divide()
	if bytes > 0 {
		h.bounder.by(time.Now().Add(firstLook))
	}
}

// divide gives each log that we write its part of the bound, and returns them by name.
func (h *Hub) divide() map[string]*file {
	files := map[string]*file{}
	for _, f := range h.logs() {
		files[f.name] = f
	}
	part := int64(0)
	if bound := h.bound.Load(); bound > 0 {
		part = max(leastPart, bound/currentShare/int64(max(1, len(files))))
	}
	h.part.Store(part)
	for _, f := range files {
		f.divide(part)
	}
	return files
}

// confine makes the file no larger than its part. The caller holds the lock.
func (f *file) confine() {
	if f.max = f.own; f.part > 0 {
		f.max = min(f.own, f.part)
	}
}

// divide sets the part of a file. One that is larger already is an older one from now on.
func (f *file) divide(part int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.part = part
	f.confine()
	var st unix.Stat_t
	if part > 0 && !f.closed && f.stat(f.name, &st) && st.Size > part {
		f.rotate()
	}
}

// hold removes what is beyond the bound, and returns when to look again.
func (h *Hub) hold(_ context.Context, now time.Time) (next time.Time) {
	bound, files := h.bound.Load(), h.divide()
	if bound == 0 {
		return next
	}
	logs := h.holdings(files)
	for i, n := range beyond(logs, bound) {
		h.drop(logs[i], n)
	}
	return now.Add(lookAgain)
}

// A holding is what a log takes.
type holding struct {
	name    string
	file    *file // nil: we don't write it
	full    int64 // how large the current file may become
	current int64 // bytes that stay: of the current file, and of one that is being packed
	older   []aged
}

// aged is an older file.
type aged struct {
	name    string
	number  int // 0: the current one of a log that nobody writes
	size    int64
	written time.Time // the last time
}

func (l *holding) size() int64 {
	n := l.current
	for _, o := range l.older {
		n += o.size
	}
	return n
}

// holdings lists what all logs of the folder take, with the older files of each from old to
// new.
func (h *Hub) holdings(files map[string]*file) (all []*holding) {
	entries, err := os.ReadDir(h.opts.Dir)
	if err != nil {
		return nil // the next write says why
	}
	byName := map[string]*holding{}
	log := func(name string) *holding {
		l := byName[name]
		if l == nil {
			l = &holding{name: name, file: files[name]}
			byName[name] = l
			all = append(all, l)
		}
		return l
	}
	for name, f := range files {
		l := log(name)
		f.mu.Lock()
		l.full = f.max
		f.mu.Unlock()
		l.current = l.full
	}
	for _, e := range entries {
		name, number, ok := logOf(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		l := log(name)
		switch {
		case number > 0:
			l.older = append(l.older, aged{e.Name(), number, info.Size(), info.ModTime()})
		case number < 0:
			l.current += info.Size()
		case l.file != nil:
			l.current += max(0, info.Size()-l.full) // one batch may be larger
		case info.ModTime().Before(h.opened.Add(-time.Second)): // of a service that is gone
			l.older = append(l.older, aged{e.Name(), 0, info.Size(), info.ModTime()})
		default: // of a run, which writes it itself
			l.current += info.Size()
		}
	}
	for _, l := range all {
		sort.SliceStable(l.older, func(i, j int) bool { return l.older[i].number > l.older[j].number })
	}
	return all
}

// logOf returns the log of a file, and its number as in partName; -1 if it is one that is
// being packed.
func logOf(file string) (name string, number int, ok bool) {
	if name, ok = strings.CutSuffix(file, tmpSuffix); ok {
		return name, -1, strings.HasSuffix(name, logSuffix)
	}
	i := strings.LastIndex(file, logSuffix)
	if i <= 0 {
		return "", 0, false
	}
	i += len(logSuffix)
	number, ok = partNumber(file[i:])
	return file[:i], number, ok
}

// beyond returns how many files of each log, the oldest ones, are beyond a bound of all. Of
// the logs that take more than an equal part, the oldest file goes first: one that prints
// much costs the others nothing.
func beyond(logs []*holding, bound int64) []int {
	gone := make([]int, len(logs))
	sizes := make([]int64, len(logs))
	total := int64(0)
	for i, l := range logs {
		sizes[i] = l.size()
		total += sizes[i]
	}
	oldest := func(least int64) int {
		found := -1
		for i, l := range logs {
			if gone[i] < len(l.older) && sizes[i] > least &&
				(found < 0 || l.older[gone[i]].written.Before(logs[found].older[gone[found]].written)) {
				found = i
			}
		}
		return found
	}
	for total > bound {
		i := oldest(bound / int64(len(logs)))
		if i < 0 { // those that take more have nothing that can go
			if i = oldest(0); i < 0 {
				break
			}
		}
		n := logs[i].older[gone[i]].size
		gone[i]++
		sizes[i] -= n
		total -= n
	}
	return gone
}

// drop removes the oldest files of a log.
func (h *Hub) drop(l *holding, n int) {
	if n == 0 {
		return
	}
	if l.file == nil {
		for _, o := range l.older[:n] {
			h.mu.Lock()
			if h.files[l.name] == nil && h.dir != nil { // else somebody has begun to write it
				_ = unix.Unlinkat(h.dir.fd, o.name, 0)
			}
			h.mu.Unlock()
		}
		return
	}
	l.file.mu.Lock()
	defer l.file.mu.Unlock()
	// Meanwhile rotation may have given them other numbers, or removed some, and packing made
	// others of them. What stays is the time of the last line.
	chosen := map[int64]int{}
	for _, o := range l.older[:n] {
		chosen[o.written.UnixNano()]++
	}
	all := l.file.olders()
	for i := len(all) - 1; i >= 0; i-- {
		if at := all[i].st.Mtim.Nano(); chosen[at] > 0 {
			chosen[at]--
			l.file.removeFrom(all[i : i+1])
		}
	}
}
