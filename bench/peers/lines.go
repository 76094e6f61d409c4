package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// Lines of a writer are of lineSize bytes with the newline: a mark, the writer's number,
// the line's, and filler. Whatever a supervisor puts before a line, its end is known.
const (
	lineSize  = 100
	blockSize = 640 // lines in a write of the writer: as many as 64 KiB hold
)

// work is the writer: it waits for the gate, prints count lines, and waits for a signal.
func work(writer, count int, never string) error {
	tell := os.NewFile(3, "tell")
	fmt.Fprintf(tell, "w%d %d\n", writer, os.Getpid())
	if _, err := os.NewFile(4, "gate").Read(make([]byte, 1)); err != nil {
		return err
	}
	block := bytes.Repeat(append(bytes.Repeat([]byte("x"), lineSize-1), '\n'), blockSize)
	for n := 0; n < count; {
		many := min(blockSize, count-n)
		for i := range many {
			number(block[i*lineSize:], writer, n+i)
		}
		if _, err := os.Stdout.Write(block[:many*lineSize]); err != nil {
			return err
		}
		n += many
	}
	fmt.Fprintf(tell, "done %d\n", writer)
	in, err := os.Open(never)
	if err == nil {
		_, err = in.Read(make([]byte, 1)) // until a signal
	}
	return err
}

// number writes "~w nnnnnnnnn " to the start of a line.
func number(line []byte, writer, n int) {
	line[0], line[1], line[2] = '~', byte('0'+writer), ' '
	for i := 11; i > 2; i-- {
		line[i] = byte('0' + n%10)
		n /= 10
	}
	line[12] = ' '
}

// A reader checks what comes out of a supervisor.
type reader struct {
	writers  int
	next     []int // the number of the next line of each writer
	whole    int   // lines that came as they were written
	torn     int   // lines with a part of ours in them
	disorder int
	last     atomic.Int64  // when the last bytes came, in nanoseconds
	complete chan struct{} // closed when all lines have come
	ended    chan struct{} // closed at the end of the stream
	wanted   int
}

func newReader(writers, lines int) *reader {
	return &reader{writers: writers, next: make([]int, writers), wanted: lines,
		complete: make(chan struct{}), ended: make(chan struct{})}
}

func (r *reader) read(in io.Reader) {
	defer close(r.ended)
	buf := make([]byte, 256<<10)
	held := 0
	for {
		n, err := in.Read(buf[held:])
		text := buf[:held+n]
		for {
			end := bytes.IndexByte(text, '\n')
			if end < 0 {
				break
			}
			r.line(text[:end])
			text = text[end+1:]
		}
		if held = copy(buf, text); held == len(buf) {
			held = 0 // longer than any line of ours
			r.torn++
		}
		if n > 0 {
			r.last.Store(time.Now().UnixNano())
		}
		if err != nil {
			return
		}
	}
}

// line checks one line without its newline.
func (r *reader) line(text []byte) {
	const size = lineSize - 1
	at := len(text) - size
	if at < 0 || text[at] != '~' || text[len(text)-1] != 'x' || text[at+12] != ' ' {
		if bytes.IndexByte(text, '~') >= 0 || bytes.Contains(text, []byte("xxxxxxxx")) {
			r.torn++
		}
		return
	}
	mine := text[at:]
	writer, n := int(mine[1]-'0'), 0
	for _, c := range mine[3:12] {
		n = n*10 + int(c-'0')
	}
	if writer < 0 || writer >= r.writers || n < r.next[writer] {
		r.disorder++
		return
	}
	r.next[writer] = n + 1
	if r.whole++; r.whole == r.wanted {
		close(r.complete)
	}
}

// writers measures lines of n writers on their way to stdout and to files.
func writers(n int) func(context.Context, *bench, Peer) ([]float64, error) {
	return func(ctx context.Context, b *bench, peer Peer) ([]float64, error) {
		p, err := newPlace(b.dir)
		if err != nil {
			return nil, err
		}
		defer p.remove()
		worker := p.path("pw-worker") // a name by which it counts as a service
		if err := os.Symlink(b.self, worker); err != nil {
			return nil, err
		}
		set := Set{Logs: true}
		each := b.lines / n
		for i := range n {
			name := fmt.Sprintf("w%d", i)
			body := fmt.Sprintf("exec %s write %d %d %s 3>%s 4<%s\n", worker, i, each, p.path("never"), p.path("tell"), p.path("gate"))
			path, err := p.script(name, "write", body)
			if err != nil {
				return nil, err
			}
			set.Services = append(set.Services, Service{Name: name, Command: []string{path}})
		}
		out, in, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		defer out.Close()
		read := newReader(n, n*each)
		go read.read(out)
		r, err := start(p, peer, set, in)
		in.Close()
		if err != nil {
			return nil, err
		}
		defer r.close()
		if _, _, err := r.all(ctx, n); err != nil {
			return nil, err
		}
		if err := pause(ctx, b.settle/4); err != nil { // what a start takes is another row's
			return nil, err
		}
		root := r.cmd.Process.Pid
		before, began := cpu(root), time.Now()
		if _, err := p.gate.Write(make([]byte, n)); err != nil {
			return nil, err
		}
		for range n {
			if t, err := r.next(ctx); err != nil {
				return nil, err
			} else if t.name != "done" {
				return nil, errors.New("a writer was restarted")
			}
		}
		// All is written. What isn't here soon is lost, or torn.
		select {
		case <-read.complete:
		case <-time.After(b.settle):
		}
		took := time.Duration(read.last.Load() - began.UnixNano())
		used, most := cpu(root)-before, peak(root)
		r.close()
		<-read.ended
		bytes := float64(read.whole * lineSize)
		return []float64{
			bytes / 1e6 / took.Seconds(), used.Seconds() / (float64(n*each*lineSize) / 1e9),
			float64(most) / 1024, float64(n*each - read.whole), float64(read.torn + read.disorder),
		}, nil
	}
}
