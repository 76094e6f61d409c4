package servicelog

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What is done to older files, in the background: those beyond the limits of their log go,
// and the others are packed once they have rested for a while. A flood rotates its files away
// before that, so packing costs it nothing.

const (
	// packAfter is how long a file is left as it is.
	packAfter = time.Minute
	// firstLook is how long after the start what earlier runs have left is looked at: the
	// start has better to do.
	firstLook = 2 * time.Second
	// packShare is the part of a processor that packing takes. A thread of low priority
	// would hold up all others when it is needed to stop the world.
	packShare = 5
	// ageParts is into how many files the time of MaxAge is divided.
	ageParts = 6
	// tmpSuffix ends the name of a file that is being packed.
	tmpSuffix = ".packing"
	// mostFiles bounds the number of files of a log that is bounded by its size.
	mostFiles = 200
)

// Limits bound what is kept of a log. Zero values mean those of the Hub, or none.
type Limits struct {
	MaxSize  int64         // of one file, in bytes
	Keep     int           // how many older files; negative: none
	MaxTotal int64         // of all files, in bytes
	MaxAge   time.Duration // of a line; files go as a whole, up to a sixth earlier
	Pack     bool          // pack older files
}

// limit sets the limits of a file. It may wait for the disk.
func (f *file) limit(l Limits, o *Options) {
	f.mu.Lock()
	defer f.mu.Unlock()
	usual := o.MaxSize
	if l.MaxTotal > 0 {
		usual = min(max(usual, l.MaxTotal/16), l.MaxTotal/4)
		l.Keep = cmp.Or(l.Keep, mostFiles)
	}
	f.own = max(1, cmp.Or(l.MaxSize, usual))
	f.confine()
	f.keep = max(0, cmp.Or(l.Keep, o.Keep))
	f.maxTotal, f.maxAge, f.pack = l.MaxTotal, l.MaxAge, l.Pack
}

// Keep bounds the log of a source, whether or not it ever writes: what is left of earlier
// runs, too.
func (h *Hub) Keep(id string, l Limits) {
	h.mu.Lock()
	f := h.file(id)
	h.mu.Unlock()
	if f != nil {
		f.limit(l, &h.opts)
		h.keeper.by(time.Now().Add(firstLook))
	}
}

// file returns the file of a source; nil: none is kept. The caller holds the lock.
func (h *Hub) file(id string) *file {
	if h.dir == nil {
		return nil
	}
	name := fileName(id)
	f := h.files[name] // two sources of one name share it
	if f == nil {
		f = newFile(h.dir, name, h.opts.MaxSize, h.opts.Keep)
		f.count, f.keeper, f.bounder = h.counter(id), &h.keeper, &h.bounder
		if h.found != nil {
			_, there := h.found[name]
			f.fresh = !there
		}
		f.part = h.part.Load()
		f.confine()
		h.files[name] = f
	}
	return f
}

// A keeper does something in the background, when it is due: tidies up the files of a Hub,
// or keeps them within one bound.
type keeper struct {
	do     func(ctx context.Context, now time.Time) (next time.Time)
	mu     sync.Mutex
	due    time.Time   // zero: nothing is
	timer  *time.Timer // nil: never was
	busy   bool
	closed bool
	idle   sync.Cond
	ctx    context.Context
	cancel context.CancelFunc
}

func (k *keeper) init(do func(context.Context, time.Time) time.Time) {
	k.do = do
	k.idle.L = &k.mu
	k.ctx, k.cancel = context.WithCancel(context.Background())
}

// by makes the keeper work at a time, at the latest. Nil does nothing.
func (k *keeper) by(at time.Time) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || !k.due.IsZero() && !at.Before(k.due) {
		return
	}
	k.due = at
	if k.busy {
		return // it looks at due at its end
	}
	k.wake()
}

// wake sets the timer. The caller holds the lock.
func (k *keeper) wake() {
	if k.timer != nil {
		k.timer.Stop()
	}
	k.timer = time.AfterFunc(max(0, time.Until(k.due)), k.work)
}

func (k *keeper) work() {
	k.mu.Lock()
	if k.busy || k.closed {
		k.mu.Unlock()
		return
	}
	k.busy, k.due = true, time.Time{}
	k.mu.Unlock()
	next := k.do(k.ctx, time.Now())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = false
	k.idle.Broadcast()
	if !next.IsZero() && (k.due.IsZero() || next.Before(k.due)) {
		// Whatever is due comes with others: a rotation a moment later needs no timer.
		k.due = next.Add(time.Second)
	}
	if !k.closed && !k.due.IsZero() {
		k.wake()
	}
}

// stop waits until the keeper does nothing any more, as long as ctx lasts, and reports
// whether that is so.
func (k *keeper) stop(ctx context.Context) bool {
	defer context.AfterFunc(ctx, func() {
		k.mu.Lock()
		k.idle.Broadcast()
		k.mu.Unlock()
	})()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.cancel()
	if k.timer != nil {
		k.timer.Stop()
	}
	for k.busy && ctx.Err() == nil {
		k.idle.Wait()
	}
	return !k.busy
}

// logs returns the logs that we write.
func (h *Hub) logs() []*file {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.files))
}

// tidy does what is due, and returns when it is to be called again; zero: not before a
// rotation.
func (h *Hub) tidy(ctx context.Context, now time.Time) (next time.Time) {
	soon := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	var p *packer
	logs := h.logs()
	h.find(logs)
	for _, f := range logs {
		if ctx.Err() != nil {
			return next
		}
		soon(f.prune(now))
		for f.packs() && ctx.Err() == nil {
			if h.out.behindFiles() { // it reads plain files back
				soon(now.Add(packAfter))
				break
			}
			s, at := f.rested(now)
			if soon(at); s == nil {
				break
			}
			var err error
			if p == nil {
				if p, err = newPacker(); err != nil {
					return next
				}
			}
			if err = f.packSegment(ctx, p, s, h.out); err != nil && ctx.Err() == nil {
				soon(now.Add(10 * packAfter)) // no space, or the like: it is only packing
				break
			}
		}
	}
	return next
}

// find looks for the older files of logs of which it is not known. With a thousand logs, a
// look for each of them would list a million files.
func (h *Hub) find(logs []*file) {
	var all map[string]found
	for _, f := range logs {
		f.mu.Lock()
		if f.highest < 0 {
			if all == nil {
				all = findLogs(h.opts.Dir)
			}
			if all != nil {
				f.highest, f.packing = all[f.name].highest, all[f.name].packing
			}
		}
		f.mu.Unlock()
	}
}

// An older file is one of those that rotation has renamed.
type older struct {
	number int
	name   string
	packed bool
	st     unix.Stat_t
}

// olders lists the older files, the newest first. The caller holds the lock. If a crash has
// left one in both forms, the plain one goes: the packed one was whole before it had its
// name. One that somebody else has packed is left alone.
func (f *file) olders() (all []older) {
	if f.highest < 0 { // others may have removed any of them
		f.highest, _ = oldest(f.dir.path, f.name)
	}
	for i, missing := 1, 0; i <= f.highest || missing < 2; i++ {
		plain := partName(f.name, i)
		o := older{number: i, name: plain + packSuffix, packed: true}
		var st unix.Stat_t
		both := f.stat(plain, &st)
		switch {
		case f.stat(o.name, &o.st) && (!both || f.packedFrom(o) == originOf(st)):
			if both {
				_ = unix.Unlinkat(f.dir.fd, plain, 0)
			}
		case both:
			o.name, o.packed, o.st = plain, false, st
		default:
			if i > f.highest {
				missing++
			}
			continue
		}
		missing = 0
		all = append(all, o)
	}
	f.highest = 0
	if n := len(all); n > 0 {
		f.highest = all[n-1].number
	}
	return all
}

func (f *file) stat(name string, st *unix.Stat_t) bool {
	return unix.Fstatat(f.dir.fd, name, st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// open opens an older file.
func (f *file) open(name string) (*os.File, error) {
	fd, err := unix.Openat(f.dir.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// packedFrom returns what a packed file was made of; zero: not by us.
func (f *file) packedFrom(o older) (from origin) {
	if r, err := f.open(o.name); err == nil {
		if p, err := openPacked(r, o.st.Size, nil); err == nil {
			from = p.origin
		}
		r.Close()
	}
	return from
}

// began returns when the first line of a file was written, as far as it tells.
func (f *file) began(o older) time.Time {
	last := time.Unix(o.st.Mtim.Unix())
	r, err := f.open(o.name)
	if err != nil {
		return last
	}
	defer r.Close()
	var first time.Time
	if o.packed {
		if p, err := openPacked(r, o.st.Size, nil); err == nil && len(p.frames) > 0 {
			first = p.frames[0].min
		}
	} else if rec, err := recordAt(r, 0, make([]byte, maxMark)); err == nil {
		first = rec.Time
	}
	if first.IsZero() || first.After(last) {
		return last
	}
	return first
}

// prune removes the files that are beyond the limits, and returns when the next one will
// be. Lines of a log that is bounded by age go on in a new file now and then, even if they
// are few.
func (f *file) prune(now time.Time) (next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return next
	}
	if f.maxAge > 0 {
		current := older{name: f.name}
		if f.stat(f.name, &current.st) && current.st.Size > 0 {
			if end := f.began(current).Add(f.maxAge / ageParts); !end.After(now) {
				f.rotate()
			} else {
				next = end
			}
		}
	}
	if f.packing {
		_ = unix.Unlinkat(f.dir.fd, f.name+tmpSuffix, 0)
		f.packing = false
	}
	if f.highest == 0 {
		return next
	}
	all := f.within(f.olders(), f.keep, f.maxTotal-f.max)
	for f.maxAge > 0 && len(all) > 0 {
		last := len(all) - 1
		if end := f.began(all[last]).Add(f.maxAge); end.After(now) {
			if next.IsZero() || end.Before(next) {
				next = end
			}
			break
		}
		f.removeFrom(all[last:])
		all = all[:last]
	}
	return next
}

// within removes what is beyond a number of files, and, if the log is bounded by its size,
// of bytes. It returns what is left.
func (f *file) within(all []older, keep int, bytes int64) []older {
	for i, o := range all {
		if bytes -= o.st.Size; i >= keep || f.maxTotal > 0 && bytes < 0 {
			f.removeFrom(all[i:])
			return all[:i]
		}
	}
	return all
}

// removeFrom removes files, the oldest first.
func (f *file) removeFrom(files []older) {
	for i := len(files) - 1; i >= 0; i-- {
		if unix.Unlinkat(f.dir.fd, files[i].name, 0) == nil {
			f.count.files.Add(1)
			f.count.removed.Add(uint64(files[i].st.Size))
		}
	}
}

// packs reports whether older files are packed.
func (f *file) packs() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pack && f.highest != 0 && !f.closed
}

// rested returns an older file that is to be packed now, opened, or else when one is.
func (f *file) rested(now time.Time) (r *os.File, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, next
	}
	for _, o := range f.olders() {
		if o.packed {
			continue
		}
		// A clock that was set back must not put it off for long.
		if rest := time.Unix(o.st.Mtim.Unix()).Add(packAfter).Sub(now); rest > 0 && rest <= packAfter {
			if at := now.Add(rest); next.IsZero() || at.Before(next) {
				next = at
			}
			continue
		}
		if r, err := f.open(o.name); err == nil {
			return r, next
		}
	}
	return nil, next
}

// packSegment packs an older file. Whatever it is called by then, the packed one takes its
// place in one step, unless stdout has fallen behind meanwhile, or the file is gone.
func (f *file) packSegment(ctx context.Context, p *packer, r *os.File, out *output) error {
	defer r.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(r.Fd()), &st); err != nil {
		return err
	}
	tmp := f.name + tmpSuffix
	fd, err := unix.Openat(f.dir.fd, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	w := os.NewFile(uintptr(fd), tmp)
	began := time.Now()
	err = p.pack(w, r, originOf(st), func() error {
		pause := time.NewTimer(time.Since(began) * (p.share - 1))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		began = time.Now()
		return ctx.Err()
	})
	if err == nil {
		err = w.Sync()
	}
	if err == nil { // the age of its last line
		err = unix.UtimesNanoAt(f.dir.fd, tmp, []unix.Timespec{st.Mtim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = f.replace(tmp, st, out)
	}
	if err != nil {
		_ = unix.Unlinkat(f.dir.fd, tmp, 0)
	}
	return err
}

// errMoved says that a file was packed in vain.
var errMoved = errors.New("it has changed meanwhile")

// replace puts a packed file in the place of what was packed.
func (f *file) replace(tmp string, st unix.Stat_t, out *output) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || out.behindFiles() {
		return errMoved
	}
	for _, o := range f.olders() {
		if o.st.Ino != st.Ino || o.st.Dev != st.Dev || o.packed {
			continue
		}
		if originOf(o.st) != originOf(st) {
			return errMoved
		}
		if err := unix.Renameat(f.dir.fd, tmp, f.dir.fd, o.name+packSuffix); err != nil {
			return err
		}
		return unix.Unlinkat(f.dir.fd, o.name, 0)
	}
	return errMoved
}

// behindFiles reports whether stdout has to read lines back from files, or does.
func (o *output) behindFiles() bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.behind != nil || o.reading && o.broken == nil
}
