package session

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// TestListenerIsBounded has a program print more than an answer: it is not disturbed,
// and the rest is not kept.
func TestListenerIsBounded(t *testing.T) {
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.End.Write(bytes.Repeat([]byte("x"), 3*maxAnswer)); err != nil {
		t.Errorf("a program that prints much: %v", err)
	}
	l.End.Close()
	if n := len(l.Printed()); n != maxAnswer {
		t.Errorf("%d bytes were kept, want %d", n, maxAnswer)
	}
}

// TestListenerLeavesWhatStays keeps the pipe open, as a descendant does: what was
// printed is there all the same.
func TestListenerLeavesWhatStays(t *testing.T) {
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.End.Close()
	if _, err := l.End.WriteString("syntax is ok"); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool {
		left, err := unix.IoctlGetInt(int(l.End.Fd()), unix.TIOCINQ)
		return err == nil && left == 0
	}) {
		t.Fatal("nobody reads")
	}
	if got := l.Printed(); got != "syntax is ok" {
		t.Errorf("printed %q", got)
	}
}
