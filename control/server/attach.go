package server

import (
	"io"
	"net/http"
	"time"

	"nix2gpu/control"
)

// attach hands the connection over to the terminal of a service, for as long as it is
// wanted.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	var req control.AttachRequest
	if err := s.decode(w, r, maxBody, &req); err != nil {
		return err
	}
	if s.opts.Attach == nil || req.Service == "" {
		return &control.Error{Code: control.CodeInvalid, Msg: "attach needs the name of a service"}
	}
	id, err := s.resolveOne(r.Context(), req.Service)
	if err != nil {
		return err
	}
	about(r, "services", id)
	done, err := connOf(r.Context()).follow()
	if err != nil {
		return err
	}
	defer done()
	connect, err := s.opts.Attach(r.Context(), id, req)
	if err != nil {
		return err
	}
	s.attached.Add(1)
	defer s.attached.Done()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Time{})
	const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + control.AttachProtocol + "\r\n\r\n"
	if _, err := io.WriteString(conn, head); err != nil {
		return nil // they have gone
	}
	s.log(r, nil) // when it ends says nothing
	connect(struct {
		io.Reader
		io.Writer
	}{buffered, slowWriter{conn}})
	return nil
}

// slowWriter bounds how long one who does not read is waited for.
type slowWriter struct {
	conn interface {
		io.Writer
		SetWriteDeadline(time.Time) error
	}
}

func (p slowWriter) Write(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return p.conn.Write(b)
}
