package session

import (
	"io"
	"os"
	"time"
)

// A Listener reads what a program prints, as long as it prints no more than an answer.
type Listener struct {
	End     *os.File // for the program; whoever has started it closes this one
	from    *os.File
	printed chan string
}

// Listen makes a listener.
func Listen() (*Listener, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_ = w.Chmod(0o666) // as in a run, servers open /dev/stdout again, as another user
	l := &Listener{End: w, from: r, printed: make(chan string, 1)}
	go func() {
		defer r.Close()
		text, _ := io.ReadAll(io.LimitReader(r, maxAnswer)) // an error leaves what came before it
		_, _ = io.Copy(io.Discard, r)                       // who prints more than that goes on
		l.printed <- string(text)
	}()
	return l, nil
}

// Printed returns what the program has printed, up to maxAnswer, after its end. It is
// called once. What has stayed behind and keeps the pipe open is not waited for.
func (l *Listener) Printed() string {
	_ = l.from.SetReadDeadline(time.Now().Add(leftOpen)) // an error: all has been read
	return <-l.printed
}

const (
	// maxAnswer bounds the output that is kept, in bytes. It is more than nvidia-smi
	// prints on any machine, or a server about a configuration.
	maxAnswer = 1 << 20

	leftOpen = time.Second
)
