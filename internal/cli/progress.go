package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"nix2gpu/image/inspect"
)

// A bar shows the progress of long work in the last line of a terminal. All that we
// print there goes through its Write, so that nothing is printed into its line.
type bar struct {
	w     io.Writer
	width func() int
	now   func() time.Time

	mu      sync.Mutex
	subject string
	begun   time.Time // when work of the subject's kind began
	drawn   time.Time
	line    string // the line that is shown; "" if none is
	midline bool   // the last text has not ended its line: there is no room for the bar
}

// A reading is how far something is.
type reading struct {
	subject     string
	done, total int64
	inBytes     bool
	detail      string // what just happens, where that is not counted in bytes
}

// progress returns the bar of stderr. It is nil where stderr is not a terminal that
// can go back to the start of a line, and in CI, where even a terminal is a log.
func (e *Env) progress() *bar {
	if e.bar == nil && e.StderrTTY && e.Getenv("TERM") != "dumb" && e.Getenv("TERM") != "" && (e.Getenv("CI") == "" || e.Getenv("CI") == "false") {
		e.bar = &bar{w: e.Stderr, width: widthOf(e.Stderr), now: e.Now}
		e.Stderr = e.bar
	}
	return e.bar
}

// endProgress removes the bar and gives stderr back.
func (e *Env) endProgress() {
	if e.bar != nil {
		e.bar.clear()
		e.Stderr = e.bar.w
		e.bar = nil
	}
}

// progressOf returns a function that shows the progress of subject, in bytes; nil
// where there is no bar.
func (e *Env) progressOf(subject string) func(done, total int64) {
	bar := e.progress()
	if bar == nil {
		return nil
	}
	return func(done, total int64) { bar.set(subject, done, total) }
}

// widthOf returns a function that asks for the terminal's width, which may change.
func widthOf(w io.Writer) func() int {
	return func() int {
		width, _ := sizeOf(w)
		return width
	}
}

// sizeOf returns the width and height of a terminal, and the usual ones where it does
// not say them.
func sizeOf(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		width, height, _ = term.GetSize(int(f.Fd()))
	}
	if width <= 0 {
		width = 80
	}
	if height <= 0 {
		height = 24
	}
	return width, height
}

// redrawAfter is how long a line stays at least, so that the work does not wait for
// a slow terminal.
const redrawAfter = 100 * time.Millisecond

// set shows how many bytes of the subject are done.
func (b *bar) set(subject string, done, total int64) {
	b.show(reading{subject: subject, done: done, total: total, inBytes: true})
}

// share shows how far the subject is, in percent, and what just happens.
func (b *bar) share(subject, detail string, percent float64) {
	b.show(reading{subject: subject, done: int64(percent * 100), total: 100 * 100, detail: detail})
}

// show draws a reading. When it is complete, the bar goes.
func (b *bar) show(r reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.total <= 0 || r.done >= r.total {
		b.erase()
		b.begun = time.Time{}
		return
	}
	now := b.now()
	// "packing a" and "packing b" are the same kind of work, with one rate.
	if verb, _, _ := strings.Cut(r.subject, " "); b.begun.IsZero() || !strings.HasPrefix(b.subject, verb) {
		b.begun = now
	} else if b.line != "" && now.Sub(b.drawn) < redrawAfter {
		return
	}
	b.subject = r.subject
	if b.midline {
		return
	}
	line := drawBar(r, now.Sub(b.begun), b.width())
	if line == b.line {
		return
	}
	b.drawn = now
	b.draw(line)
}

func (b *bar) draw(line string) {
	b.line = line
	fmt.Fprintf(b.w, "\r%s\x1b[K", line)
}

func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
}

func (b *bar) erase() {
	if b.line != "" {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.line = ""
	}
}

// Write writes p to the terminal in the place of the bar, which goes on below it, unless
// the last line of p is still to be ended.
func (b *bar) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shown := b.line
	b.erase()
	if len(p) > 0 {
		b.midline = p[len(p)-1] != '\n'
	}
	n, err := b.w.Write(p)
	if err == nil && shown != "" && !b.midline {
		b.draw(shown)
	}
	return n, err
}

// drawBar formats the line. It leaves parts out until the rest fits into width, so
// that the terminal never wraps it.
func drawBar(r reading, took time.Duration, width int) string {
	const bars, longest, shortest = 20, 36, 12
	room := width - 1 // some terminals begin a new line once the last column is used
	subject := shortened(r.subject, longest)
	percent := fmt.Sprintf("%3d%%", r.done*100/r.total)
	filled := int(bars * r.done / r.total)
	picture := subject + "  [" + strings.Repeat("=", filled) + strings.Repeat(" ", bars-filled) + "] " + percent
	amount, rate := "", ""
	if r.inBytes {
		amount = fmt.Sprintf("  %s of %s", inspect.Bytes(r.done), inspect.Bytes(r.total))
		if took >= time.Second && r.done > 0 {
			rate = "  " + inspect.Bytes(int64(float64(r.done)/took.Seconds())) + "/s"
		}
	} else if left := room - utf8.RuneCountInString(picture) - 2; r.detail != "" && left >= shortest {
		amount = "  " + shortened(r.detail, left)
	}
	for _, line := range []string{
		picture + amount + rate,
		picture + amount,
		subject + " " + percent + amount,
		subject + " " + percent,
		strings.TrimSpace(percent),
	} {
		if utf8.RuneCountInString(line) <= room {
			return line
		}
	}
	return ""
}

// shortened cuts text to at most as many characters as most.
func shortened(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
