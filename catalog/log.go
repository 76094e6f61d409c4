package catalog

import (
	"time"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// applyLog bounds the logs of all processes.
func (in *Instance) applyLog() {
	log := project.Log{MaxSize: in.bytes("log", "maxFileSize"), MaxTotal: in.bytes("log", "maxTotalSize")}
	if log.MaxTotal != 0 && log.MaxTotal < log.MaxSize {
		in.Get("log", "maxTotalSize").Errorf("maxTotalSize must not be less than maxFileSize")
	}
	age := in.Get("log", "maxAge")
	if d := pause(age); d != nil {
		if log.MaxAge = *d; *d < project.MinLogAge {
			age.Errorf("maxAge must be a second or more")
		}
	}
	if in.Has("log", "compress") {
		compress := in.Bool("log", "compress")
		log.Compress = &compress
	}
	if in.Has("log", "maxFiles") {
		n := in.Int("log", "maxFiles")
		log.MaxFiles = &n
	}
	rate := project.LogRate{Lines: int64(in.Int("log", "rateLimit", "lines")), Bytes: in.bytes("log", "rateLimit", "bytes"), Interval: project.LogInterval * project.Duration(time.Second)}
	interval := in.Get("log", "rateLimit", "interval")
	if d := pause(interval); d != nil {
		rate.Interval = *d
		if *d <= 0 {
			interval.Errorf("interval must be positive")
		}
	}
	switch {
	case rate.Lines != 0 || rate.Bytes != 0:
		log.Rate = &rate
	case interval.Has():
		in.note(interval, "log.rateLimit.interval has no effect without lines or bytes")
	}
	for _, id := range in.service.ProcessIDs() {
		proc := in.project.Processes[id]
		log.File = proc.Log.File
		proc.Log = log
	}
}

// bytes reads a number of bytes; 0 if it is not set.
func (in *Instance) bytes(path ...string) int64 {
	if c := in.Get(path...); c.Kind() == module.KindStr {
		return Bytes(c)
	}
	return int64(in.Int(path...))
}

// Bytes reads a number of bytes, of which text may say the unit.
func Bytes(c *module.Config) int64 {
	if c.Kind() != module.KindStr {
		return int64(c.Int())
	}
	n, err := parseBytes(c.String())
	if err != nil {
		c.Errorf("%v", err)
	}
	return n
}
