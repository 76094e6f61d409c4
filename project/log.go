package project

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"
)

// Log sets how the output of a process is kept; the zero value leaves all to defaults.
type Log struct {
	File     Text     `json:"file,omitempty"`     // a copy beside our own file
	MaxSize  int64    `json:"maxSize,omitempty"`  // of one file, in bytes
	MaxFiles *int     `json:"maxFiles,omitempty"` // how many older files are kept
	MaxTotal int64    `json:"maxTotal,omitempty"` // of all files, in bytes
	MaxAge   Duration `json:"maxAge,omitempty"`   // of a line
	Compress *bool    `json:"compress,omitempty"` // older files; nil: yes
	Rate     *LogRate `json:"rate,omitempty"`     // nil: no limit
	// Format is how the copy is written; nil: each line as it is.
	Format *LogFormat `json:"format,omitempty"`
}

// Logs bounds the logs of all processes together.
type Logs struct {
	MaxTotal int64 `json:"maxTotal"` // of all files, in bytes
	Pos      Pos   `json:"pos,omitzero"`
}

// leastLog is what each process must have of Logs.MaxTotal: with less, its files would be too
// small to be of use.
const leastLog = 512 << 10

// checkLogs does not count what each container has beside its definition: what is enough
// for check and build has to be enough for the image.
func (e *Errors) checkLogs(p *Project) {
	processes := 0
	for _, q := range p.Processes {
		if s := p.Services[q.Service]; s == nil || !s.System {
			processes++
		}
	}
	if l := p.Logs; l != nil && l.MaxTotal < int64(processes)*leastLog {
		e.add(l.Pos, "", fmt.Sprintf("allow %d KiB or more", processes*leastLog>>10), "all logs together are allowed %d KiB, and each of %d needs %d KiB",
			l.MaxTotal>>10, processes, leastLog>>10)
	}
}

// A LogFormat is how process-compose writes a line to a file: as JSON, or as text.
type LogFormat struct {
	Process  string       `json:"process,omitempty"` // what the line says of where it comes from
	Replica  int          `json:"replica,omitempty"`
	Bare     bool         `json:"bare,omitempty"`   // it says neither
	Text     bool         `json:"text,omitempty"`   // not JSON
	Fields   []string     `json:"fields,omitempty"` // of text, in this order, of LogFields; nil: all
	Time     bool         `json:"time,omitempty"`   // with the time of the line
	Layout   string       `json:"layout,omitempty"` // of the time, as package time has it; default: RFC 3339, or 3:04PM in text
	Rotation *LogRotation `json:"rotation,omitempty"`
}

// LogFields lists the fields of text in their usual order.
func LogFields() []string { return []string{"time", "level", "message"} }

// A LogRotation says when the file is put aside, and how long what was put aside is kept.
type LogRotation struct {
	SizeMB   int  `json:"sizeMB,omitempty"`  // default: 100
	Files    int  `json:"files,omitempty"`   // 0: all
	Days     int  `json:"days,omitempty"`    // 0: for ever
	TotalMB  int  `json:"totalMB,omitempty"` // of all, the current one included; 0: any number
	Compress bool `json:"compress,omitempty"`
}

// LogInterval is the interval of a [LogRate] unless it is set, in seconds.
const LogInterval = 10

// A LogRate bounds what is kept of what a process prints.
type LogRate struct {
	Lines    int64    `json:"lines,omitempty"` // a second, on average over Interval; 0: any number
	Bytes    int64    `json:"bytes,omitempty"`
	Interval Duration `json:"interval"`
}

// MinLogAge is the least age that bounds a log. Six times in it a new file is begun.
const MinLogAge = Duration(time.Second)

func (e *Errors) checkLog(s *Service, who string, l Log) {
	if l.MaxSize < 0 || l.MaxFiles != nil && *l.MaxFiles < 0 {
		e.add(s.Pos, s.ID, "", "sizes and numbers of the log files of %s must not be negative", who)
	}
	if l.MaxTotal < 0 || l.MaxTotal > 0 && l.MaxTotal < l.MaxSize {
		e.add(s.Pos, s.ID, "set log.maxTotalSize to as much as log.maxFileSize, or more", "the log files of %s must be allowed as many bytes as one of them", who)
	}
	if l.MaxAge != 0 && l.MaxAge < MinLogAge {
		e.add(s.Pos, s.ID, "", "the age of the log of %s must be a second or more", who)
	}
	r := l.Rate
	if r == nil {
		return
	}
	if r.Lines < 0 || r.Bytes < 0 || r.Lines == 0 && r.Bytes == 0 {
		e.add(s.Pos, s.ID, "set log.rateLimit.lines or log.rateLimit.bytes", "the rate limit of the log of %s must have a number of lines or bytes a second", who)
	}
	if r.Interval <= 0 {
		e.add(s.Pos, s.ID, "", "the interval of the rate limit of the log of %s must be positive", who)
	}
}

// RotationOf is how the file of a process's log_location is rotated: whoever writes to it
// may say that. It is nil if nobody does.
func (p *Project) RotationOf(q *Process) *LogRotation {
	if r := q.Log.rotation(); r != nil || q.Log.File.IsEmpty() {
		return r
	}
	for _, other := range p.Processes {
		if r := other.Log.rotation(); r != nil && other.Log.path() == q.Log.path() {
			return r
		}
	}
	return nil
}

// rotation is what it says itself of its file.
func (l *Log) rotation() *LogRotation {
	if l.File.IsEmpty() || l.Format == nil {
		return nil
	}
	return l.Format.Rotation
}

// path names its file as others may have it, too: "./log" is "log".
func (l *Log) path() string { return path.Clean(l.File.String()) }

// checkLogFiles wants all who write to one file to agree on when it is put aside: who has
// nothing to say of that follows the others.
func (e *Errors) checkLogFiles(p *Project) {
	first := map[string]*Process{}
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		q := p.Processes[id]
		r := q.Log.rotation()
		if r == nil {
			continue
		}
		switch other := first[q.Log.path()]; {
		case other == nil:
			first[q.Log.path()] = q
		case *other.Log.rotation() != *r:
			pos := Pos{}
			if s := p.Services[q.Service]; s != nil {
				pos = s.Pos
			}
			e.add(pos, q.Service, "give both the same rotation, or each a file of its own", "%q and %q write to one log_location, %s, and rotate it in two ways", other.ID, id, q.Log.File)
		}
	}
}
