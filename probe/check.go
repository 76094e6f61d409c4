package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"nix2gpu/project"
)

// NewChecker makes the check of a probe that asks the process. Log lines and
// notifications are not asked for but waited for, by a [Group].
func NewChecker(p *project.Probe, deps Deps) (Checker, error) {
	switch {
	case p.Exec != nil:
		if deps.Run == nil {
			return nil, errors.New("commands cannot be run here")
		}
		return execCheck{p.Exec, deps.Run}, nil
	case p.HTTP != nil:
		return newHTTPCheck(p.HTTP)
	case p.TCP != nil:
		addr, err := address(p.TCP.Host, p.TCP.Port)
		return tcpCheck{addr}, err
	case p.GRPC != nil:
		return newGRPCCheck(p.GRPC)
	case p.Server != nil:
		return newServerCheck(p.Server, deps.Resolve)
	case p.GPU != nil:
		return gpuCheck{p.GPU, deps.GPU}, nil
	}
	return nil, errors.New("names no check")
}

// address joins host and port. A host that means all addresses of this machine
// becomes loopback.
func address(host string, port int) (string, error) {
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("port must be between 1 and 65535, not %d", port)
	}
	return net.JoinHostPort(dialHost(host), strconv.Itoa(port)), nil
}

func dialHost(host string) string {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	switch host {
	case "", "*", "0.0.0.0", "::":
		return "127.0.0.1"
	}
	return host
}

// tcpCheck succeeds when a connection can be made.
type tcpCheck struct{ addr string }

func (c tcpCheck) Check(ctx context.Context) error {
	conn, err := dial(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dial connects. The deadline of ctx is that of the connection, too.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err == nil {
		if deadline, ok := ctx.Deadline(); ok {
			err = conn.SetDeadline(deadline)
		}
		return conn, err
	}
	return nil, dialError(addr, err)
}

// dialError names the address, and the cause without the system call.
func dialError(addr string, err error) error {
	var sys interface{ Unwrap() error }
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
		if errors.As(err, &sys) { // "connect: connection refused"
			err = sys.Unwrap()
		}
	}
	return fmt.Errorf("%s: %w", addr, err)
}

// execCheck succeeds when the command exits with 0.
type execCheck struct {
	check *project.ExecCheck
	run   Runner
}

func (c execCheck) Check(ctx context.Context) error {
	var out tail
	err := c.run(ctx, c.check, &out)
	var temporary interface{ Temporary() bool }
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.As(err, &temporary) && temporary.Temporary():
		return &ResourceError{err}
	}
	return &OutputError{err, out.String()}
}

// OutputError is a command's failure with the end of what it printed.
type OutputError struct {
	Err    error
	Output string
}

func (e *OutputError) Error() string {
	if e.Output == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Output
}

func (e *OutputError) Unwrap() error { return e.Err }

// tailSize is how much of a check's output is kept.
const tailSize = 4 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex // a Runner may write from a goroutine of its own
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	if len(b) > tailSize {
		b = b[len(b)-tailSize:]
	}
	if over := len(t.buf) + len(b) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, b...)
	return n, nil
}

// String returns the end of the output, without white space around it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(bytes.TrimSpace(t.buf), []byte("\uFFFD")))
}

var _ io.Writer = (*tail)(nil)
