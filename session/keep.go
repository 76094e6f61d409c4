package session

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
	"nix2gpu/supervisor"
)

// keepProject returns a function that writes the project, without its secrets, for
// use when it runs no more: "logs" needs its labels. The function is called until it
// returns nil, since a disk may be full.
func keepProject(layout rundir.Layout, p *project.Project) func() error {
	kept, began := false, time.Now()
	return func() error {
		if kept {
			return nil
		}
		data, err := json.Marshal(p.Masked()) // not indented, as it is read by programs alone
		if err == nil {
			err = safefile.Replace(layout.Project, data, 0o600)
		}
		if err == nil { // "logs" takes the file's time for the start of this run
			err = os.Chtimes(layout.Project, began, began)
		}
		kept = err == nil
		return err
	}
}

// keepStartups leaves how the starts of services went, for those who ask when nothing
// runs any more.
func (s *session) keepStartups() {
	s.startups.Lock()
	defer s.startups.Unlock()
	startups, err := s.engine.Startups(context.Background()) // the engine answers at once
	var data []byte
	if err == nil {
		data, err = json.Marshal(startups)
	}
	if sum := sha256.Sum256(data); err == nil && sum != s.startups.kept {
		if err = safefile.Replace(s.Layout.Startup, data, 0o600); err == nil {
			s.startups.kept = sum
		}
	}
	if err != nil {
		s.log.Warn("how services started cannot be kept", "err", err)
	}
}

// planned is when services with a schedule are to run next, on its way to its file.
type planned struct {
	sync.Mutex
	latest  map[project.ID]supervisor.Planned
	writing sync.Mutex
}

// readPlanned returns what the last session has left. Without it nothing is missed.
func (s *session) readPlanned() (planned map[project.ID]supervisor.Planned) {
	data, err := safefile.ReadFile(s.Layout.Planned, maxPlanned)
	if err == nil {
		err = json.Unmarshal(data, &planned)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("what was planned cannot be read", "err", err)
	}
	return planned
}

// maxPlanned bounds the file, in bytes.
const maxPlanned = 1 << 20

// keepPlanned leaves it for the next one. The engine does not wait for that.
func (s *session) keepPlanned(latest map[project.ID]supervisor.Planned) {
	p := &s.planned
	p.Lock()
	p.latest = latest
	p.Unlock()
	s.keeping.Go(func() {
		p.writing.Lock()
		defer p.writing.Unlock()
		p.Lock()
		data, err := json.Marshal(p.latest)
		p.Unlock()
		if err == nil {
			err = safefile.Replace(s.Layout.Planned, data, 0o600)
		}
		if err != nil {
			s.log.Warn("what is planned cannot be kept", "err", err)
		}
	})
}
