package servicelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A Query says which records are wanted. The zero value wants all that exist.
type Query struct {
	Sources []string // ids; empty: all sources that have a file
	Tail    int      // only the last so many lines of each source; 0: all, negative: none that exist now
	Since   time.Time
	Until   time.Time
	Match   func(message []byte) bool // nil: any
	Streams []Stream                  // empty: stdout and stderr
	Level   Level                     // only lines that are so severe; 0: any
	Fields  []Field                   // only JSON lines that have them all

	Follow   bool // go on with what is written later, until ctx is done or Until has passed
	Previous bool // only the run before the last one
	Marks    bool // also the marks of starts; those of gaps are always included

	// Processes makes records tell their Process, for which a query that begins in the
	// middle of a file looks back.
	Processes bool

	// Over, unless nil, ends Follow once it is closed and all that was written until then
	// is read.
	Over <-chan struct{}

	// Idle, unless nil, is called before waiting for more: the moment to flush.
	Idle func()
}

// ErrNoPrevious says that a source has not run twice.
var ErrNoPrevious = errors.New("there is no earlier run in the log\nhint: leave out --previous")

// A Reader reads the files of a folder, of this run and of earlier ones.
type Reader struct {
	dir     string
	changed *notifier // nil: the kernel reports changes
	most    int       // files that are to be open; 0: as usual
}

// NewReader returns a Reader for the files in dir, whoever writes them.
func NewReader(dir string) *Reader { return &Reader{dir: dir} }

// Reader returns a Reader for the files of the Hub, which tells it of changes.
func (h *Hub) Reader() *Reader { return &Reader{dir: h.opts.Dir, changed: &h.changes} }

// Sources returns the ids of all sources that have a file.
func (r *Reader) Sources() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		// Between a rotation and the next line there is no current file.
		file := strings.TrimSuffix(strings.TrimSuffix(e.Name(), packSuffix), ".1")
		if name, ok := strings.CutSuffix(file, ".log"); ok && e.Type().IsRegular() {
			if id, err := url.PathUnescape(name); err == nil && fileName(id) == file {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Remove removes all files of a source. Nobody may be writing to them.
func (r *Reader) Remove(source string) error { return r.removeOlder(source, false) }

// removeOlder is Remove, but may leave the current file, which somebody writes to.
func (r *Reader) removeOlder(source string, leave bool) error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	name := fileName(source)
	for _, e := range entries {
		older, ok := strings.CutPrefix(e.Name(), name)
		if _, ours := partNumber(older); !ok || !ours || older == "" && leave {
			continue
		}
		if err := os.Remove(filepath.Join(r.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Records yields the wanted records of all sources, merged by time. Pieces of one line
// stay together. The message of a Record is valid until the next one. An error ends the
// sequence.
func (r *Reader) Records(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s := &session{reader: r, query: q, known: map[string]bool{}, zip: unpacker{most: r.most}}
		defer s.close()
		if err := s.run(ctx, yield); err != nil && ctx.Err() == nil {
			yield(Record{}, err)
		}
	}
}

// session is one pass over Records.
type session struct {
	reader  *Reader
	query   Query
	cursors []*cursor
	known   map[string]bool
	zip     unpacker
	last    *cursor // the source of the last record, if its line goes on; else nil
}

func (s *session) run(ctx context.Context, yield func(Record, error) bool) error {
	var changed <-chan struct{}
	if s.query.Follow { // before reading, so that no change is missed
		ch, stop := s.reader.changes()
		defer stop()
		changed = ch
	}
	var over <-chan time.Time
	if !s.query.Until.IsZero() {
		over = time.After(time.Until(s.query.Until) + 100*time.Millisecond)
	}
	for first := true; ; first = false {
		if first || len(s.query.Sources) == 0 {
			if err := s.discover(first); err != nil {
				return err
			}
		}
		for {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			rec, ok, err := s.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if !yield(rec, nil) {
				return nil
			}
		}
		if !s.query.Follow || s.query.Previous {
			return nil
		}
		if s.query.Idle != nil {
			s.query.Idle()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return nil
		case <-s.query.Over:
			s.query.Follow = false // one more look
		case <-changed:
		}
	}
}

// discover opens the logs that are wanted and not open yet. A log that appears while we
// follow is wanted from its beginning.
func (s *session) discover(first bool) error {
	ids := s.query.Sources
	if len(ids) == 0 {
		var err error
		if ids, err = s.reader.Sources(); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if s.known[id] {
			continue
		}
		s.known[id] = true
		c := &cursor{dir: s.reader.dir, id: id, name: fileName(id), limit: -1, zip: &s.zip}
		s.cursors = append(s.cursors, c)
		if !first {
			continue
		}
		err := c.begin(s.query)
		if errors.Is(err, ErrNoPrevious) && len(ids) > 1 {
			c.limit = 0 // it just has no records, beside others that may
			c.close()
			continue
		}
		if err != nil {
			return fmt.Errorf("log of %q: %w", id, err)
		}
	}
	return nil
}

// next returns the earliest record that is wanted.
func (s *session) next() (Record, bool, error) {
	var best *cursor
	for _, c := range s.cursors {
		ok, err := c.peek(s.query)
		if err != nil {
			return Record{}, false, fmt.Errorf("log of %q: %w", c.id, err)
		}
		if !ok {
			continue
		}
		if c == s.last { // the rest of its line goes first
			best = c
			break
		}
		if best == nil || c.head.Time.Before(best.head.Time) {
			best = c
		}
	}
	if best == nil {
		return Record{}, false, nil
	}
	best.peeked = false
	s.last = nil
	if best.head.Partial() {
		s.last = best
	}
	return best.head, true, nil
}

func (s *session) close() {
	for _, c := range s.cursors {
		c.close()
	}
	s.zip.close()
}

// changes returns a channel that gets a token after each change of a file.
func (r *Reader) changes() (ch <-chan struct{}, stop func()) {
	if r.changed != nil {
		return r.changed.subscribe()
	}
	token := make(chan struct{}, 1)
	end := make(chan struct{})
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(r.dir)
	}
	// If the kernel can't report changes (no folder yet, no watches left), look often.
	var tick *time.Ticker
	var ticks <-chan time.Time
	var events chan fsnotify.Event
	var faults chan error // the kernel has lost events, so something has changed
	if err != nil {
		tick = time.NewTicker(200 * time.Millisecond)
		ticks = tick.C
	} else {
		events, faults = w.Events, w.Errors
	}
	go func() {
		for {
			select {
			case <-end:
				return
			case <-ticks:
			case _, ok := <-events:
				if !ok {
					return
				}
			case <-faults:
			}
			select {
			case token <- struct{}{}:
			default:
			}
		}
	}()
	return token, func() {
		close(end)
		if w != nil {
			w.Close()
		}
		if tick != nil {
			tick.Stop()
		}
	}
}

// wanted reports whether a record passes all filters that look at single records.
func (q *Query) wanted(rec Record) bool {
	if rec.Stream == Marks {
		_, _, gap := rec.Gap()
		return (gap || q.Marks && rec.IsStart()) && q.inTime(rec.Time)
	}
	if !q.inTime(rec.Time) {
		return false
	}
	if len(q.Streams) > 0 && !slices.Contains(q.Streams, rec.Stream) {
		return false
	}
	if q.Match != nil && !q.Match(rec.Message) {
		return false
	}
	for _, f := range q.Fields {
		if !f.In(rec.Message) {
			return false
		}
	}
	if q.Level == 0 {
		return true
	}
	level := FindLevel(rec.Message)
	if level == 0 {
		level = Info
	}
	return level <= q.Level
}

func (q *Query) inTime(at time.Time) bool {
	return !at.Before(q.Since) && (q.Until.IsZero() || !at.After(q.Until))
}
