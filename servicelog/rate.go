package servicelog

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Rate bounds what is kept of what a process prints. The zero value bounds nothing.
type Rate struct {
	Lines, Bytes int64         // a second, on average over Interval; 0: any number
	Interval     time.Duration // default: 10 seconds
}

func (r Rate) String() string {
	var of []string
	if r.Lines > 0 {
		of = append(of, count(uint64(r.Lines), "line"))
	}
	if r.Bytes > 0 {
		of = append(of, count(uint64(r.Bytes), "byte"))
	}
	return "more than " + strings.Join(of, " or ") + " a second"
}

// A limiter enforces a Rate on a source: what fits is kept from the beginning of each
// interval, and then nothing until it ends. So the log says once for an interval how many
// lines are missing, not again and again.
type limiter struct {
	source *Source // the last one; its log gets the marks

	mu      sync.Mutex
	rate    Rate
	ends    time.Time // of the interval
	lines   int64     // that still fit, and bytes
	bytes   int64
	full    bool // nothing more fits
	dropped uint64
	due     *time.Timer // tells what was dropped, although nothing more is printed
}

// limiter returns the one of the source, if it is to have one.
func (s *Source) limiter(r Rate) *limiter {
	l := s.hub.limiters[s.id]
	if r.Lines == 0 && r.Bytes == 0 {
		return nil
	}
	if l == nil {
		l = &limiter{}
		s.hub.limiters[s.id] = l
	}
	r.Interval = cmp.Or(r.Interval, 10*time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.source, l.rate = s, r
	return l
}

// admit returns how many lines, from the first on, are kept, and how many were dropped in
// the interval before this one and are still to be told, with the limit.
func (l *limiter) admit(lines []line, now time.Time) (keep int, before uint64, rate Rate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.ends) {
		before, l.dropped = l.dropped, 0
		if l.due != nil {
			l.due.Stop()
		}
		over := func(n int64) int64 { return int64(float64(n) * l.rate.Interval.Seconds()) }
		l.ends, l.full = now.Add(l.rate.Interval), false
		l.lines, l.bytes = max(1, over(l.rate.Lines)), over(l.rate.Bytes)
	}
	for !l.full && keep < len(lines) {
		n := int64(len(lines[keep].text)) + 1
		if l.full = l.rate.Lines > 0 && l.lines < 1 || l.rate.Bytes > 0 && l.bytes < n; !l.full {
			l.lines--
			l.bytes -= n
			keep++
		}
	}
	if keep < len(lines) {
		if l.dropped == 0 {
			l.due = time.AfterFunc(l.ends.Sub(now), l.tell)
		}
		l.dropped += uint64(len(lines) - keep)
	}
	return keep, before, l.rate
}

// tell tells what was dropped so far.
func (l *limiter) tell() {
	l.mu.Lock()
	n := l.dropped
	l.dropped = 0
	s, rate := l.source, l.rate
	if l.due != nil {
		l.due.Stop()
	}
	l.mu.Unlock()
	s.tellDropped(n, rate)
}

// tellDropped says in the log, and on stdout, that lines were dropped.
func (s *Source) tellDropped(n uint64, rate Rate) {
	if n == 0 {
		return
	}
	s.mark(fmt.Sprintf("%s %d %s", markDrop, n, rate))
	if !s.quiet {
		s.hub.SayAs(Warning, dropText(s.label, n, rate.String()))
	}
}

func dropText(source string, n uint64, why string) string {
	verb := "were"
	if n == 1 {
		verb = "was"
	}
	return fmt.Sprintf("%s: %s %s dropped: %s", source, count(n, "line"), verb, why)
}

// count is a number of something, for people.
func count(n uint64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// limited returns the lines that a limit lets pass. What is dropped is counted.
func (p *pipe) limited(lines []line) []line {
	s := p.run.source
	n, before, rate := s.limit.admit(lines, time.Now())
	s.tellDropped(before, rate)
	kept, rest := lines[:n], lines[n:]
	if len(rest) > 0 {
		s.count.add(rest)
		s.count.dropped.Add(uint64(len(rest)))
		switch { // a line whose rest is dropped ends here
		case n > 0 && kept[n-1].end == EndCut:
			kept[n-1].end = EndNone
		case n == 0 && p.cut:
			kept = []line{{end: EndNone}}
		}
	}
	if len(kept) > 0 {
		p.cut = kept[len(kept)-1].end == EndCut
	}
	return kept
}
