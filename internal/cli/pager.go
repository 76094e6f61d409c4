package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/term"
)

// page prints what write writes. At a terminal it goes through $PAGER, or else less,
// if it has more lines than the terminal, there is such a program, and nobody has said
// that he wants none.
func (e *Env) page(write func(io.Writer) error) error {
	out, isFile := e.Stdout.(*os.File)
	pager, set := e.LookupEnv("PAGER")
	none := set && (pager == "" || pager == "cat") || e.Getenv("NO_PAGER") != "" || e.Getenv("TERM") == "dumb"
	if !e.StdoutTTY || !isFile || none {
		return write(e.Stdout)
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if _, height, err := term.GetSize(int(out.Fd())); err == nil && bytes.Count(text.Bytes(), []byte("\n")) < height {
		_, err := text.WriteTo(out)
		return err
	}
	cmd := exec.Command("less", "-FRX")
	if set {
		cmd = exec.Command("sh", "-c", pager)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = bytes.NewReader(text.Bytes()), out, e.Stderr, e.Environ
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE): // the user quit the pager before the end
		return nil
	case errors.As(err, &exit) && exit.ExitCode() != 127:
		return nil
	}
	_, err = text.WriteTo(out)
	return err
}
