package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/console"
)

// program is one that says what was done to its terminal.
type program struct {
	mu  sync.Mutex
	did []string
}

func (p *program) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, text)
}

func (p *program) Write(b []byte) (int, error) { p.note("typed " + string(b)); return len(b), nil }
func (p *program) Resize(s console.Size)       { p.note(fmt.Sprintf("%dx%d", s.Rows, s.Cols)) }

// What is printed reaches all that are attached, what is typed the program that runs
// then, and an attachment lasts over a restart.
func TestConsole(t *testing.T) {
	var set console.Set
	c := set.Get("api")
	one, two := c.Attach(), c.Attach()
	fmt.Fprint(one, "lost")
	first := &program{}
	if size := c.Open(first); size != (console.Size{24, 80}) {
		t.Errorf("the size is %v", size)
	}
	fmt.Fprint(one, "a")
	two.Resize(console.Size{Rows: 10, Cols: 20}, true)
	one.Resize(console.Size{}, true) // it has none
	fmt.Fprint(c, "hello")
	c.Close(first)
	second := &program{}
	if size := set.Get("api").Open(second); size != (console.Size{10, 20}) {
		t.Errorf("the size is %v", size)
	}
	c.Close(first) // whose end was noticed late
	fmt.Fprint(two, "b")
	fmt.Fprint(c, " again")
	one.Say("api: running")
	one.End()
	fmt.Fprint(c, " and more")
	two.End()
	for a, want := range map[*console.Attachment]string{one: "hello again\r\n[nix2gpu] api: running\r\n", two: "hello again and more"} {
		if got, err := io.ReadAll(a); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if got := strings.Join(first.did, " ") + "; " + strings.Join(second.did, " "); got != "typed a 11x20 10x20; typed b" {
		t.Errorf("the programs got %s", got)
	}
}

// One who does not read costs bounded memory, and is told what he has missed.
func TestSlowReader(t *testing.T) {
	var set console.Set
	c := set.Get("api")
	a := c.Attach()
	for range 40 {
		c.Write(make([]byte, 64<<10))
	}
	fmt.Fprint(c, "the end")
	a.End()
	got, err := io.ReadAll(a)
	if err != nil || len(got) > 2<<20 || !bytes.Contains(got, []byte(" bytes were left out: this reader is too slow\r\n")) || !bytes.HasSuffix(got, []byte("the end")) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ keys, typed, want string }{
		{"ctrl-p,ctrl-q", "ab\x10\x11cd", "ab!"},
		{"ctrl-p,ctrl-q", "\x10x\x10\x10y\x10\x10\x11", "\x10x\x10\x10y\x10!"},
		{"ctrl-p,ctrl-q", "\x10", ""},
		{"a,a,b", "aaab", "a!"},
		{"a,b,a,c", "ababac", "ab!"},
		{"CTRL-@", "x\x00", "x!"},
		{"", "\x10\x11", "\x10\x11"},
	} {
		for _, size := range []int{1, len(c.typed)} { // in pieces, and at once
			k, err := console.ParseKeys(c.keys)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for rest := []byte(c.typed); len(rest) > 0; rest = rest[size:] {
				pass, detach := k.Take(rest[:size])
				got += string(pass)
				if detach {
					got += "!"
					break
				}
			}
			if got != c.want {
				t.Errorf("%s: %q in pieces of %d gives %q, want %q", c.keys, c.typed, size, got, c.want)
			}
		}
	}
	for _, bad := range []string{"ctrl-", "ctrl-pq", "ab", "a,,b", " ", "ctrl-1", "é"} {
		if _, err := console.ParseKeys(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// pair is two ends of a connection that never waits.
type pair struct {
	io.Reader
	io.Writer
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("d\x00\x00\x00\x02abr\x00\x00\x00\x00e\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := console.NewFrames(pair{bytes.NewReader(data), nil})
		var again bytes.Buffer
		back := console.NewFrames(pair{nil, &again})
		for {
			kind, text, err := frames.Read()
			if err != nil {
				break
			}
			if err := back.Write(kind, text); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("%q was read as %q", data, again.Bytes())
		}
	})
}

func TestFrameTooLong(t *testing.T) {
	_, _, err := console.NewFrames(pair{strings.NewReader("d\xff\xff\xff\xff"), nil}).Read()
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

// stuck is a program that reads nothing.
type stuck struct{ over chan struct{} }

func (p stuck) Write([]byte) (int, error) { <-p.over; return 0, io.EOF }
func (p stuck) Resize(console.Size)       {}

// Who types for somebody else learns whether it arrived, and waits for no longer than it
// wants to.
func TestType(t *testing.T) {
	var set console.Set
	c := set.Get("api")
	if typed, err := c.Type(t.Context(), []byte("lost")); typed || err != nil {
		t.Errorf("without a program: %t, %v", typed, err)
	}
	p := &program{}
	c.Open(p)
	if typed, err := c.Type(t.Context(), []byte("q\r")); !typed || err != nil || strings.Join(p.did, " ") != "typed q\r" {
		t.Errorf("%t, %v: the program got %q", typed, err, p.did)
	}
	over := make(chan struct{})
	c.Open(stuck{over})
	for range 2 { // the second does not even get to it
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		if _, err := c.Type(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("a program that does not read: %v", err)
		}
	}
	close(over)
	if typed, err := c.Type(t.Context(), []byte("x")); typed || err != nil {
		t.Errorf("after its end: %t, %v", typed, err)
	}
}
