package session

import (
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"nix2gpu/project"
	"nix2gpu/rundir"
)

// LogFile is where the session itself logs.
func LogFile(layout rundir.Layout) string { return filepath.Join(layout.State, "supervisor.log") }

// maxOwnLog is when the session's own log is begun anew.
const maxOwnLog = 4 << 20

// openLog opens the session's own log. Without one it goes on: the state
// folder was writable a moment ago, and services matter more.
func openLog(layout rundir.Layout) (*slog.Logger, func()) {
	path := LogFile(layout)
	if info, err := os.Lstat(path); err == nil && info.Size() > maxOwnLog {
		os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return slog.New(slog.DiscardHandler), func() {}
	}
	return slog.New(slog.NewTextHandler(f, nil)), func() { f.Close() }
}

// ProjectFile is the project of the last session, without its secrets.
func ProjectFile(layout rundir.Layout) string { return filepath.Join(layout.State, "project.json") }

// keepProject leaves the project for those who look when nothing runs any
// more: labels for "logs".
func keepProject(layout rundir.Layout, p *project.Project, log *slog.Logger) {
	data, err := p.Masked().Encode()
	if err == nil {
		tmp := ProjectFile(layout) + ".new"
		if err = os.WriteFile(tmp, data, 0o600); err == nil {
			err = os.Rename(tmp, ProjectFile(layout))
		}
	}
	if err != nil {
		log.Warn("project was not kept", "err", err)
	}
}
