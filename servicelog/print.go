package servicelog

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// PrintOptions says how a Printer writes records. The zero value writes exactly the
// bytes that the service has written.
type PrintOptions struct {
	Format     Format
	Color      Color
	Labels     *Labels // how labels look
	Terminal   bool    // escape what a terminal would act on, as on stdout
	Timestamps bool    // write one before each line
	// Label returns the label that is written before each line of a source. Nil: none
	// in text, the source's id in JSON.
	Label func(source string) string
}

// A Printer writes records for a reader. It buffers: call Flush.
type Printer struct {
	w       *bufio.Writer
	opts    PrintOptions
	buf     []byte
	object  object
	process []byte // fields of JSON

	open   bool // the last record's line goes on
	source string
	stream Stream
}

// NewPrinter returns a Printer that writes to w.
func NewPrinter(w io.Writer, opts PrintOptions) *Printer {
	return &Printer{w: bufio.NewWriterSize(w, 32<<10), opts: opts}
}

// Print writes one record.
func (p *Printer) Print(rec Record) error {
	p.buf = p.append(p.buf[:0], rec)
	_, err := p.w.Write(p.buf)
	return err
}

// Flush writes all that is buffered.
func (p *Printer) Flush() error { return p.w.Flush() }

func (p *Printer) append(dst []byte, rec Record) []byte {
	label, labelled := rec.Source, p.opts.Label != nil
	if labelled {
		label = p.opts.Label(rec.Source)
	}
	message, end := rec.Message, rec.End
	if rec.Stream == Marks {
		message = []byte(explain(rec))
		if p.opts.Format != JSON {
			label, labelled = Self, true
		}
	}
	if p.opts.Format == JSON {
		if p.source != rec.Source || p.stream != rec.Stream {
			p.object.begin(label, rec.Stream)
			p.source, p.stream = rec.Source, rec.Stream
		}
		p.process = rec.Process.appendJSON(p.process[:0])
		return p.object.append(dst, rec.Time, message, p.process, rec.Partial())
	}
	continues := p.open && p.source == rec.Source && p.stream == rec.Stream
	if p.open && !continues {
		dst = append(dst, '\n') // another line came between the pieces
	}
	p.open, p.source, p.stream = rec.Partial(), rec.Source, rec.Stream
	if !continues {
		if p.opts.Timestamps {
			dst = rec.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
			dst = append(dst, ' ')
		}
		if labelled {
			dst = appendPrefix(dst, label, style{p.opts.Format, p.opts.Color, p.opts.Labels})
		}
	}
	if p.opts.Terminal {
		if end == EndNewline {
			message = bytes.TrimSuffix(message, []byte("\r"))
		}
		dst = appendSafe(dst, message, p.opts.Color)
	} else {
		dst = append(dst, message...)
	}
	switch {
	case p.open:
	case end == EndReturn && !p.opts.Terminal && !labelled && !p.opts.Timestamps:
		dst = append(dst, '\r')
	default:
		dst = append(dst, '\n')
	}
	return dst
}

// explain returns the text that people see for a mark.
func explain(rec Record) string {
	if rec.IsStart() {
		return rec.Source + ": started " + rec.Time.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	lines, why, _ := rec.Gap()
	if lines == 0 {
		return rec.Source + ": " + why
	}
	if bytes.HasPrefix(rec.Message, []byte(markDrop)) {
		return dropText(rec.Source, uint64(lines), why)
	}
	return fmt.Sprintf("%s: %s could not be kept: %s", rec.Source, count(uint64(lines), "line"), why)
}
