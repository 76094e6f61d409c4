package server

import (
	"bufio"
	"crypto/sha1" // what RFC 6455 asks for; nothing is kept secret by it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"nix2gpu/control"
)

// A websocket is the server's end of a connection as RFC 6455 has it, for streams that
// only we send: what the client says is read for its pings and its close, and dropped. It
// is our own because the libraries also bring clients, compression and masking, which is
// more than a hundredth of the whole program.
type websocket struct {
	conn interface {
		io.ReadWriteCloser
		SetWriteDeadline(time.Time) error
	}
	in   *bufio.Reader
	out  chan frame    // to the one goroutine that writes
	gone chan struct{} // closed when the client says nothing more
	over chan struct{} // closed when nothing more is written
}

// A frame is a message, or a part of one.
type frame struct {
	op      byte
	payload []byte
}

// The kinds of frames (section 5.2), and the codes of a close (section 7.4.1).
const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xA

	closeNormal   = 1000
	closeProtocol = 1002
	closeData     = 1007
	closeTooBig   = 1009
)

const (
	maxControl     = 125     // bytes of a ping, a pong or a close, by section 5.5
	maxSaid        = 4 << 10 // bytes of a frame of the client, whose messages mean nothing here
	websocketMagic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// accept makes a websocket of a request. Pages of other origins are refused: over TCP as
// with each request, and by the same rule on the socket.
func accept(w http.ResponseWriter, r *http.Request) (*websocket, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	raw, err := base64.StdEncoding.DecodeString(key)
	switch {
	case !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket"):
		return nil, &control.Error{Code: control.CodeInvalid, Msg: "this is a stream by websocket, and the request asks for none", Hint: "GET /v1/logs and /v1/events are the same without one"}
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13")
		return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("version %q of websockets is not supported", r.Header.Get("Sec-WebSocket-Version")), Hint: "use version 13"}
	case err != nil || len(raw) != 16:
		return nil, &control.Error{Code: control.CodeInvalid, Msg: "Sec-WebSocket-Key must be 16 bytes in base64", Hint: "use a library for websockets"}
	case r.Header.Get("Origin") != "" && !overTCP(r.Context()):
		return nil, &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("a page of %q may not ask here", r.Header.Get("Origin")), Hint: "ask from a program"}
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	sum := sha1.Sum([]byte(key + websocketMagic))
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	conn.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := io.WriteString(conn, head); err != nil {
		conn.Close()
		return nil, err
	}
	ws := &websocket{conn: conn, in: buffered.Reader, out: make(chan frame, 16), gone: make(chan struct{}), over: make(chan struct{})}
	go ws.read()
	go ws.write()
	return ws, nil
}

// hasToken reports whether a header lists a word.
func hasToken(h http.Header, name, word string) bool {
	for _, value := range h.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), word) {
				return true
			}
		}
	}
	return false
}

// send sends a message of text. It waits while the client is slow, and no longer than that
// is allowed to be. Once the client has gone, the error is net.ErrClosed.
func (ws *websocket) send(text []byte) error {
	select {
	case ws.out <- frame{opText, text}:
		return nil
	case <-ws.gone:
	case <-ws.over:
	}
	return net.ErrClosed
}

// close says goodbye and closes the connection once that is sent.
func (ws *websocket) close(code uint16) {
	select {
	case ws.out <- closing(code):
	case <-ws.gone:
	case <-ws.over:
	}
	<-ws.over
}

func closing(code uint16) frame { return frame{opClose, binary.BigEndian.AppendUint16(nil, code)} }

// write writes frames, up to the first close.
func (ws *websocket) write() {
	defer close(ws.over)
	defer ws.conn.Close()
	for {
		var f frame
		select {
		case f = <-ws.out:
		case <-ws.gone: // what read has put before
			select {
			case f = <-ws.out:
			default:
				return
			}
		}
		ws.conn.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := ws.conn.Write(appendFrame(nil, f)); err != nil || f.op == opClose {
			return
		}
	}
}

// read reads what the client says until it closes, breaks the rules or goes. A ping has
// its answer.
func (ws *websocket) read() {
	defer close(ws.gone)
	for rules := (frameRules{}); ; {
		f, err := rules.next(ws.in)
		var broken *frameError
		switch {
		case errors.As(err, &broken):
			ws.answer(closing(broken.code))
			return
		case err != nil:
			return
		case f.op == opClose:
			ws.answer(closing(closeNormal))
			return
		case f.op == opPing:
			ws.answer(frame{opPong, f.payload})
		}
	}
}

func (ws *websocket) answer(f frame) {
	select {
	case ws.out <- f:
	case <-ws.over:
	}
}

// A frameError is a rule that the client has broken, with the code to close by.
type frameError struct {
	code uint16
	msg  string
}

func (e *frameError) Error() string { return e.msg }

// frameRules are what is to be remembered of the frames before.
type frameRules struct {
	open bool // a message has begun, and goes on
}

// next reads the next frame of a client, unmasked, and checks it against section 5.
func (r *frameRules) next(in *bufio.Reader) (f frame, err error) {
	var head [14]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return f, err
	}
	fin, n := head[0]&0x80 != 0, uint64(head[1]&0x7f)
	f.op = head[0] & 0x0f
	isControl := f.op&0x8 != 0
	switch {
	case head[0]&0x70 != 0:
		return f, &frameError{closeProtocol, "a frame has bits of an extension that was not agreed on"}
	case head[1]&0x80 == 0:
		return f, &frameError{closeProtocol, "a frame of a client is not masked"}
	case f.op > opBinary && f.op < opClose || f.op > opPong:
		return f, &frameError{closeProtocol, fmt.Sprintf("a frame has the unknown kind %d", f.op)}
	case isControl && (!fin || n > maxControl):
		return f, &frameError{closeProtocol, "a ping, pong or close is long, or in parts"}
	case !isControl && (f.op == opContinue) != r.open:
		return f, &frameError{closeProtocol, "the parts of a message are not in order"}
	}
	extra := map[uint64]int{126: 2, 127: 8}[n]
	if _, err := io.ReadFull(in, head[:extra+4]); err != nil {
		return f, io.ErrUnexpectedEOF
	}
	switch extra {
	case 2:
		n = uint64(binary.BigEndian.Uint16(head[:2]))
	case 8:
		n = binary.BigEndian.Uint64(head[:8])
	}
	if n > maxSaid {
		return f, &frameError{closeTooBig, fmt.Sprintf("a frame has more than %d bytes", maxSaid)}
	}
	mask := [4]byte(head[extra : extra+4])
	f.payload = make([]byte, n)
	if _, err := io.ReadFull(in, f.payload); err != nil {
		return f, io.ErrUnexpectedEOF
	}
	for i := range f.payload {
		f.payload[i] ^= mask[i&3]
	}
	if f.op == opClose && (n == 1 || n > 2 && !utf8.Valid(f.payload[2:])) {
		return f, &frameError{closeData, "a close has no code, or a reason that is no text"}
	}
	if !isControl {
		r.open = !fin
	}
	return f, nil
}

// appendFrame appends a whole frame as servers send it, without a mask.
func appendFrame(dst []byte, f frame) []byte {
	dst = append(dst, 0x80|f.op)
	switch n := len(f.payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, f.payload...)
}
