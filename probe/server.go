package probe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"nix2gpu/project"
)

// protocol is how to ask a kind of server whether it serves clients.
type protocol struct {
	port int // the default
	ask  func(rw io.ReadWriter) error
}

// protocols returns the servers that we can ask, by name. Some remember what they
// have learnt, so each check takes its own.
func protocols() map[string]protocol {
	return map[string]protocol{
		"postgresql": {5432, new(postgres).ask},
		"redis":      {6379, askRedis},
		"mysql":      {3306, askMySQL},
		"memcached":  {11211, askMemcached},
		"zookeeper":  {2181, askZooKeeper},
		"nats":       {4222, askNATS},
		"kafka":      {9092, new(kafka).ask},
		"cassandra":  {9042, askCassandra},
		"mongodb":    {27017, askMongoDB},
		"mqtt":       {1883, askMQTT},
		"fastcgi":    {9000, askFastCGI},
		"pgbouncer":  {6432, askPgBouncer},
		"http":       {80, new(web).ask},
		"tailscale":  {0, new(tailscale).ask},
	}
}

// Protocols lists the names that a project.ServerCheck may have.
func Protocols() []string {
	var names []string
	for name := range protocols() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// serverCheck asks a server in its own protocol.
type serverCheck struct {
	ask     func(io.ReadWriter) error
	network string
	addr    string
	port    int    // of PostgreSQL, whose socket is named after it
	status  string // a file to look at first; "" for none
}

func newServerCheck(c *project.ServerCheck, resolve func(project.Text) (string, error)) (*serverCheck, error) {
	p, ok := protocols()[c.Protocol]
	if !ok {
		return nil, fmt.Errorf("protocol must be one of %s, not %q", strings.Join(Protocols(), ", "), c.Protocol)
	}
	s := &serverCheck{ask: p.ask, network: "tcp", port: c.Port}
	if s.port == 0 {
		s.port = p.port
	}
	if resolve == nil {
		resolve = func(project.Text) (string, error) { return "", errors.New("the path cannot be resolved here") }
	}
	var err error
	if !c.StatusFile.IsEmpty() {
		if s.status, err = resolve(c.StatusFile); err != nil {
			return nil, err
		}
	}
	if !c.Socket.IsEmpty() {
		s.network = "unix"
		s.addr, err = resolve(c.Socket)
		return s, err
	}
	s.addr, err = address(c.Host, s.port)
	return s, err
}

func (s *serverCheck) Check(ctx context.Context) error {
	if s.status != "" && postmasterStarts(s.status) {
		return errors.New("the database system is starting up")
	}
	addr := s.addr
	if s.network == "unix" {
		if fi, err := os.Stat(addr); err == nil && fi.IsDir() {
			addr = filepath.Join(addr, ".s.PGSQL."+strconv.Itoa(s.port))
		}
	}
	conn, err := dial(ctx, s.network, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := s.ask(conn); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return dialError(addr, cutShort(err))
	}
	return nil
}

// hungUp reports whether the server has closed the connection. The kernel sends a reset
// if it does so before it has read our question.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// cutShort describes why there is no answer.
func cutShort(err error) error {
	if hungUp(err) {
		return errors.New("the server closed the connection")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// postgres asks a PostgreSQL server. The zero value is ready to use.
type postgres struct {
	refused bool // the server rejects our user: it logs that, so we don't try again
}

// ask starts a session as the default superuser. A server that asks for a password
// or rejects the user takes connections; one that starts, stops or recovers says
// so. See
// https://www.postgresql.org/docs/current/protocol-message-formats.html.
func (p *postgres) ask(rw io.ReadWriter) error {
	if p.refused {
		return askTLS(rw)
	}
	var m []byte
	m = binary.BigEndian.AppendUint32(m, 3<<16) // protocol 3.0
	for _, s := range []string{"user", "postgres", "database", "postgres", "application_name", "nix2gpu-probe", ""} {
		m = append(append(m, s...), 0)
	}
	if _, err := rw.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(m)+4)), m...)); err != nil {
		return err
	}
	for in := bufio.NewReader(rw); ; {
		kind, body, err := postgresMessage(in)
		if err != nil {
			return err
		}
		switch kind {
		case 'R':
			if len(body) >= 4 && binary.BigEndian.Uint32(body) != 0 {
				return nil // it wants a password
			}
		case 'E':
			fields := map[byte]string{}
			for f := range bytes.SplitSeq(body, []byte{0}) {
				if len(f) > 0 {
					fields[f[0]] = string(f[1:])
				}
			}
			switch fields['C'] {
			case "57P03", // starts, stops or recovers
				"57P01", "57P02": // is being shut down
				return errors.New(fields['M'])
			case "53300": // too many connections: it serves them
				return nil
			}
			p.refused = true
			return nil
		case 'Z': // ready for a query: terminate in order, so that nothing is logged
			_, err := rw.Write([]byte{'X', 0, 0, 0, 4})
			return err
		case 'S', 'K', 'N', 'v': // parameters, key, notices
		default:
			return fmt.Errorf("not a PostgreSQL server: it replied with %q", kind)
		}
	}
}

// postmasterStarts reports whether the eighth line of postmaster.pid says that the
// server is starting (PostgreSQL 10 and later). A connection would tell the same,
// but the server logs each one that it turns away as FATAL. If in doubt, ask.
func postmasterStarts(file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	lines := strings.Split(string(data), "\n")
	return len(lines) > 7 && strings.TrimSpace(lines[7]) == "starting"
}

// postgresMessage reads one message of the server.
func postgresMessage(in io.Reader) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	size := int(binary.BigEndian.Uint32(head[1:])) - 4
	if size < 0 || size > 64<<10 {
		return 0, nil, fmt.Errorf("not a PostgreSQL server: it replied with %q", head[0])
	}
	body = make([]byte, size)
	_, err = io.ReadFull(in, body)
	return head[0], body, err
}

// askTLS asks a PostgreSQL server whether it supports TLS. Any answer will do, and
// the server does not log it.
func askTLS(rw io.ReadWriter) error {
	_, err := tlsAnswer(rw)
	return err
}

// askPgBouncer asks PgBouncer, which would log a session on a database that it lacks.
func askPgBouncer(rw io.ReadWriter) error {
	answer, err := tlsAnswer(rw)
	if err == nil && answer != 'N' && answer != 'S' {
		err = fmt.Errorf("not PgBouncer: it replied with %q", answer)
	}
	return err
}

func tlsAnswer(rw io.ReadWriter) (byte, error) {
	if _, err := rw.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		return 0, err
	}
	var answer [1]byte
	_, err := io.ReadFull(rw, answer[:])
	return answer[0], err
}

// askRedis sends PING. A server that asks for a password serves.
func askRedis(rw io.ReadWriter) error {
	if _, err := io.WriteString(rw, "PING\r\n"); err != nil {
		return err
	}
	answer, err := answerLine(rw)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(answer, "-LOADING"), strings.HasPrefix(answer, "-MASTERDOWN"):
		return errors.New(answer[1:])
	case strings.HasPrefix(answer, "+PONG"), strings.HasPrefix(answer, "-"):
		return nil
	}
	return fmt.Errorf("not a Redis server: it replied %q", answer)
}

// askMySQL reads the handshake, which the server sends unasked.
func askMySQL(rw io.ReadWriter) error {
	var head [5]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return err
	}
	switch {
	case head[4] == 10: // protocol version
		return nil
	case head[4] == 0xff:
		body := make([]byte, min(512, max(0, int(head[0])|int(head[1])<<8-1)))
		n, _ := io.ReadFull(rw, body)
		if n > 2 && binary.LittleEndian.Uint16(body) == 1040 {
			return nil // too many connections: it serves them
		}
		return fmt.Errorf("the server refuses: %q", body[min(2, n):n])
	}
	return errors.New("not a MySQL server")
}

func askMemcached(rw io.ReadWriter) error {
	return askLine(rw, "version\r\n", "VERSION", "ERROR")
}

// askZooKeeper sends srvr, the only command that is allowed by default.
func askZooKeeper(rw io.ReadWriter) error {
	return askLine(rw, "srvr", "Zookeeper version", "srvr is not executed")
}

func askNATS(rw io.ReadWriter) error { return askLine(rw, "", "INFO ") }

// askLine sends a question and accepts an answer that begins with one of want.
func askLine(rw io.ReadWriter, question string, want ...string) error {
	if _, err := io.WriteString(rw, question); err != nil {
		return err
	}
	answer, err := answerLine(rw)
	if err != nil {
		return err
	}
	for _, w := range want {
		if strings.HasPrefix(answer, w) {
			return nil
		}
	}
	return fmt.Errorf("it answered %q", answer)
}

// answerLine reads one line of at most 4 KiB.
func answerLine(r io.Reader) (string, error) {
	b, err := bufio.NewReader(io.LimitReader(r, tailSize)).ReadString('\n')
	if b == "" && err != nil {
		return "", err
	}
	return strings.TrimRight(b, "\r\n"), nil
}

// kafka asks a broker. The zero value is ready to use.
type kafka struct {
	refused int // times in a row that it hung up on our question
}

// kafkaGuarded is from when on a broker is believed to want a password first. One that
// merely stops, or is asked just before its listener is ready, hangs up as well, but only once.
const kafkaGuarded = 3

// ask asks for the versions of the API, for which nobody needs a password, and then which
// brokers there are. A broker takes requests before its controller lets it serve; until then
// it names none.
func (k *kafka) ask(rw io.ReadWriter) error {
	const apiVersions, metadata = 18, 3
	if _, err := kafkaRequest(rw, apiVersions, 0, nil); err != nil || k.refused == kafkaGuarded {
		return err // each further question would be a line in its log
	}
	answer, err := kafkaRequest(rw, metadata, 1, make([]byte, 4)) // about no topic
	switch {
	case hungUp(err):
		if k.refused++; k.refused == kafkaGuarded {
			return nil
		}
		return err
	case err != nil:
		return err
	}
	k.refused = 0
	if len(answer) < 4 || binary.BigEndian.Uint32(answer) == 0 {
		return errors.New("the broker does not serve yet: it names no broker that does")
	}
	return nil
}

// kafkaRequest sends a request of a version of the API and returns the answer.
func kafkaRequest(rw io.ReadWriter, api, version uint16, body []byte) ([]byte, error) {
	const id = 0x6e326770
	const client = "nix2gpu-probe"
	var m []byte
	m = binary.BigEndian.AppendUint16(m, api)
	m = binary.BigEndian.AppendUint16(m, version)
	m = binary.BigEndian.AppendUint32(m, id)
	m = binary.BigEndian.AppendUint16(m, uint16(len(client)))
	m = append(append(m, client...), body...)
	if _, err := rw.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...)); err != nil {
		return nil, err
	}
	var head [8]byte // length and our id
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if binary.BigEndian.Uint32(head[4:]) != id || size < 4 || size > 1<<20 {
		return nil, errors.New("not a Kafka broker")
	}
	answer := make([]byte, size-4)
	_, err := io.ReadFull(rw, answer)
	return answer, err
}

// web asks a server of HTTP. The zero value is ready to use.
type web struct {
	served bool // it has answered once: who connects is answer enough from then on
}

// ask ends its side of the connection without a word, and waits until the server does, too,
// or says something. The kernel takes connections before any worker of the server runs, but
// only a worker hangs up. Any words would be a line in a log, and an error page for them may
// be that of a server behind this one.
func (w *web) ask(rw io.ReadWriter) error {
	if w.served {
		return nil
	}
	if err := rw.(interface{ CloseWrite() error }).CloseWrite(); err != nil { // of TCP, or of a socket
		return err
	}
	if _, err := rw.Read(make([]byte, 1)); err != nil && !hungUp(err) {
		return err
	}
	w.served = true
	return nil
}

// askCassandra sends OPTIONS of the native protocol, version 4.
func askCassandra(rw io.ReadWriter) error {
	const options, supported = 5, 6
	if _, err := rw.Write([]byte{4, 0, 0, 1, options, 0, 0, 0, 0}); err != nil {
		return err
	}
	var head [9]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return err
	}
	if head[0]&0x80 == 0 {
		return errors.New("does not speak CQL")
	}
	if head[4] != supported {
		return errors.New("the server answered with an error")
	}
	return nil
}

// askMongoDB sends the command {hello: 1, $db: "admin"} as OP_MSG.
func askMongoDB(rw io.ReadWriter) error {
	const id, opMsg = 0x6e32, 2013
	doc := []byte("\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00")
	var m []byte
	m = binary.LittleEndian.AppendUint32(m, uint32(16+4+1+4+len(doc)))
	m = binary.LittleEndian.AppendUint32(m, id)
	m = binary.LittleEndian.AppendUint32(m, 0)
	m = binary.LittleEndian.AppendUint32(m, opMsg)
	m = append(m, 0, 0, 0, 0, 0) // flags, and the kind of the one section
	m = binary.LittleEndian.AppendUint32(m, uint32(4+len(doc)))
	m = append(m, doc...)
	if _, err := rw.Write(m); err != nil {
		return err
	}
	var head [16]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(head[8:]) != id {
		return errors.New("not a MongoDB server")
	}
	return nil
}

// askFastCGI asks for the limits of a FastCGI server, which a worker answers without
// running a script.
func askFastCGI(rw io.ReadWriter) error {
	const version, getValues, result = 1, 9, 10
	const name = "FCGI_MPXS_CONNS"
	body := append([]byte{byte(len(name)), 0}, name...)
	m := append([]byte{version, getValues, 0, 0, 0, byte(len(body)), 0, 0}, body...)
	if _, err := rw.Write(m); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return err
	}
	if head[0] != version || head[1] != result {
		return errors.New("not a FastCGI server")
	}
	return nil
}

// askMQTT connects. A broker that refuses us for lack of a password serves, too.
func askMQTT(rw io.ReadWriter) error {
	const client = "nix2gpu-probe"
	m := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, byte(len(client))}, client...)
	if _, err := rw.Write(append([]byte{0x10, byte(len(m))}, m...)); err != nil {
		return err
	}
	var ack [4]byte
	if _, err := io.ReadFull(rw, ack[:]); err != nil {
		return err
	}
	if ack[0] != 0x20 {
		return errors.New("not an MQTT broker")
	}
	if ack[3] == 3 {
		return errors.New("the broker says it is unavailable")
	}
	_, _ = rw.Write([]byte{0xe0, 0}) // an orderly end
	return nil
}
