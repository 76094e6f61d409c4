package logcopy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// A Formatter writes lines as a [project.LogFormat] says.
type Formatter struct {
	*project.LogFormat // nil: as they are
	head               []byte
	tail               string
}

// NewFormatter returns the Formatter of a process.
func NewFormatter(f *project.LogFormat) *Formatter {
	w := &Formatter{LogFormat: f}
	if f != nil && !f.Bare {
		name, _ := json.Marshal(f.Process) // a string always can be
		w.head = fmt.Appendf(nil, `"process":%s,"replica":%d,`, name, f.Replica)
		w.tail = fmt.Sprintf(" process=%s replica=%d", f.Process, f.Replica)
		if strings.ContainsAny(f.Process, " =\"") {
			w.tail = fmt.Sprintf(" process=%q replica=%d", f.Process, f.Replica)
		}
	}
	return w
}

// Append appends a line with its end.
func (w *Formatter) Append(dst []byte, stream servicelog.Stream, text []byte, at time.Time) []byte {
	switch {
	case w.LogFormat == nil:
		return append(append(dst, text...), '\n')
	case w.Text:
		return w.text(dst, stream, text, at)
	}
	level := "info"
	if stream == servicelog.Stderr {
		level = "error"
	}
	dst = append(append(append(dst, `{"level":"`...), level...), `",`...)
	dst = append(dst, w.head...)
	if w.Time {
		when, _ := json.Marshal(at.Format(cmp.Or(w.Layout, time.RFC3339)))
		dst = append(append(append(dst, `"time":`...), when...), ',')
	}
	message, _ := json.Marshal(strings.ToValidUTF8(string(text), "\uFFFD"))
	return append(append(append(dst, `"message":`...), message...), "}\n"...)
}

func (w *Formatter) text(dst []byte, stream servicelog.Stream, text []byte, at time.Time) []byte {
	fields := w.Fields
	if fields == nil {
		fields = project.LogFields()
	}
	begin := len(dst)
	for _, field := range fields {
		if field == "time" && !w.Time {
			continue
		}
		if len(dst) > begin {
			dst = append(dst, ' ')
		}
		switch field {
		case "time":
			dst = at.AppendFormat(dst, cmp.Or(w.Layout, time.Kitchen))
		case "level":
			if stream == servicelog.Stderr {
				dst = append(dst, "ERR"...)
			} else {
				dst = append(dst, "INF"...)
			}
		case "message":
			dst = append(dst, text...)
		}
	}
	return append(append(dst, w.tail...), '\n')
}
