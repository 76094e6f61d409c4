package compose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nix2gpu/project"
)

const (
	day     = project.Duration(24 * time.Hour)
	maxDays = 100 * 365
)

// logDefaults reads the project's options for all logs.
func (l *loader) logDefaults(f *fields) (log project.Log, all *project.Logs) {
	if file := f.text("log_location", ""); file != "" {
		log.File, log.Format = placeText(file), &project.LogFormat{}
	}
	if format := l.logConfig(f.get("log_configuration"), &log, &all); log.Format != nil && format != nil {
		log.Format = format
	}
	return log, all
}

// logConfig reads a log_configuration: how the file of a log_location is written; nil if
// there is none. The sizes also bound our own files, which are rotated in any case. all is nil
// for a process.
func (l *loader) logConfig(n *node, log *project.Log, all **project.Logs) *project.LogFormat {
	if n == nil {
		return nil
	}
	f := l.fields(n, "log_configuration")
	format := &project.LogFormat{
		Text: f.boolean("disable_json"), Bare: f.boolean("no_metadata"),
		Time: f.boolean("add_timestamp"), Layout: f.text("timestamp_format", ""), Fields: f.texts("fields_order"),
	}
	for _, name := range format.Fields {
		if !slices.Contains(project.LogFields(), name) {
			l.fail(f.pos("fields_order"), "fields_order must be of %s, not %q", strings.Join(project.LogFields(), ", "), name)
		}
	}
	if r := f.get("rotation"); r != nil {
		rf := l.fields(r, "rotation")
		log.MaxSize = int64(rf.number("max_size_mb", int(log.MaxSize>>20), 0, 1<<20)) << 20
		log.MaxTotal = int64(rf.number("max_total_size_mb", int(log.MaxTotal>>20), 0, 1<<30)) << 20
		if n := rf.number("max_backups", 0, 0, 1<<20); n > 0 {
			log.MaxFiles = &n
		}
		if log.MaxTotal > 0 && log.MaxTotal < log.MaxSize {
			l.fail(rf.pos("max_total_size_mb"), "max_total_size_mb must not be less than max_size_mb")
		}
		if days := rf.number("max_age_days", 0, 0, maxDays); days > 0 {
			log.MaxAge = project.Duration(days) * day
		}
		if rf.get("compress") != nil {
			compress := rf.boolean("compress")
			log.Compress = &compress
		}
		format.Rotation = &project.LogRotation{
			SizeMB: rf.number("max_size_mb", 0, 0, 1<<20), Files: rf.number("max_backups", 0, 0, 1<<20),
			Days: rf.number("max_age_days", 0, 0, maxDays), Compress: rf.boolean("compress"), TotalMB: rf.number("max_total_size_mb", 0, 0, 1<<30),
		}
		rf.internal("", "directory", "filename")
		rf.done()
	}
	if all != nil {
		if total := f.number("project_max_total_size_mb", 0, 0, 1<<30); total > 0 {
			*all = &project.Logs{MaxTotal: int64(total) << 20, Pos: f.pos("project_max_total_size_mb")}
		}
	}
	if r := f.get("rate_limit"); r != nil {
		l.logRate(r, log)
	}
	f.ignore("no_color", "flush_each_line") // no file has colours, and each line is written at once
	f.done()
	return format
}

// logRate reads a rate_limit, which is ours.
func (l *loader) logRate(n *node, log *project.Log) {
	f := l.fields(n, "rate_limit")
	rate := &project.LogRate{
		Lines:    int64(f.number("lines", 0, 1, 1<<40)),
		Bytes:    int64(f.number("bytes", 0, 1, 1<<40)),
		Interval: project.Duration(f.number("interval_seconds", project.LogInterval, 1, 3600)) * project.Duration(time.Second),
	}
	f.done()
	if f.get("lines") == nil && f.get("bytes") == nil && n.kind == object {
		l.failHint(n.pos, "write \"rate_limit: { lines: 1000 }\"", "rate_limit needs lines or bytes, a second")
		return
	}
	log.Rate = rate // without either, a value was wrong, and is said to be
}

func (r *one) logs(proc *project.Process) {
	raw := r.f.text("log_location", "")
	config := r.l.logConfig(r.f.get("log_configuration"), &proc.Log, nil)
	if file := r.render("log_location", raw); file != "" {
		number := fmt.Sprint(r.vars["PC_REPLICA_NUM"])
		file = strings.ReplaceAll(file, "{PC_REPLICA_NUM}", number)
		if r.several && !strings.Contains(raw, "PC_REPLICA_NUM") {
			file += "." + number
		}
		proc.Log.File, proc.Log.Format = placeText(file), config
		if config == nil {
			proc.Log.Format = &project.LogFormat{}
		}
	} else if proc.Log.Format == nil && config != nil {
		r.l.note(r.id, r.f.pos("log_configuration"), "log_configuration without a log_location has only its rotation and its rate limit as an effect")
	}
	if proc.Log.Format != nil {
		own := *proc.Log.Format
		own.Process, own.Replica = string(r.id), r.vars["PC_REPLICA_NUM"].(int)
		proc.Log.Format = &own
	}
}

// logConfiguration writes how a log is kept, and how its copy is written.
func logConfiguration(l project.Log) (m mapping) {
	rotation, rate := mapping{}, mapping{}
	rotation.add("max_size_mb", int(l.MaxSize>>20))
	if l.MaxFiles != nil {
		rotation = append(rotation, entry{"max_backups", *l.MaxFiles})
	}
	rotation.add("max_total_size_mb", int(l.MaxTotal>>20))
	rotation.add("max_age_days", int((l.MaxAge+day-1)/day))
	if l.Compress != nil {
		rotation = append(rotation, entry{"compress", *l.Compress})
	}
	if f := l.Format; f != nil {
		m.add("disable_json", f.Text)
		m.add("fields_order", f.Fields)
		m.add("add_timestamp", f.Time)
		m.add("timestamp_format", f.Layout)
		m.add("no_metadata", f.Bare)
	}
	if r := l.Rate; r != nil {
		rate.add("lines", int(r.Lines))
		rate.add("bytes", int(r.Bytes))
		rate.add("interval_seconds", int(time.Duration(r.Interval)/time.Second))
	}
	m.add("rotation", rotation)
	m.add("rate_limit", rate)
	return m
}
