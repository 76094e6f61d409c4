// Command testgate runs "go test" with its arguments, and fails also if a test did not
// run: a skipped test counts as missing unless a list has it with a reason, and so does
// a package that has tests and ran none. For users other than root, skips are printed
// and are no failure.
//
//	go run ./scripts/testgate scripts/skips.txt -race ./...
//
// It prints what go test prints, without the output of tests that passed, and ends with
// the failures, each with the first lines in which it complained, and a line
// "N passed, N failed, N skipped".
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testgate:", err)
	}
	os.Exit(code)
}

func run(args []string, out io.Writer) (code int, err error) {
	if len(args) < 1 {
		return 2, fmt.Errorf("usage: testgate LIST [go test arguments]")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return 2, err
	}
	listed, err := parseList(args[0], string(text))
	if err != nil {
		return 2, err
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args[1:]...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 2, err
	}
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	g := newGate(listed, out)
	g.lax = os.Geteuid() != 0
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		g.line(lines.Bytes())
	}
	readErr := lines.Err()
	failed := cmd.Wait() != nil // go test has printed why
	if ok := g.close(); !ok || failed || readErr != nil {
		return 1, readErr
	}
	return 0, nil
}
