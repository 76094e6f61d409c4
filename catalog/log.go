package catalog

import (
	"time"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// logOptions are the bounds of logs.
func logOptions() module.Options {
	return module.Options{
		"maxFileSize":  opt(module.Like(module.OneOf(module.PositiveInt, module.String), "10M"), "How large a log file may become before a new one is begun: bytes, or text such as \"10M\", which it is unless set."),
		"maxFiles":     opt(module.UnsignedInt, "How many older log files of each process are kept; 5 unless set."),
		"maxTotalSize": opt(module.Like(module.OneOf(module.PositiveInt, module.String), "100M"), "How many bytes all log files of each process may take, the current one included: a number, or text such as \"100M\". The oldest go first. It also decides how many files there may be, and how large each is, unless that is set."),
		"maxAge":       opt(module.Like(module.OneOf(module.Number, module.String), "7d"), "How long a line is kept at most: seconds, or text such as \"7d\". A file goes when its first line is so old, also while the service prints nothing; a new file is begun every sixth of that time."),
		"compress":     opt(module.Bool, "Whether older log files are compressed, with zstd, once they have rested for a minute; true unless set. \"zstdcat\" prints them."),
		"rateLimit": {Set: module.Options{
			"lines":    opt(module.Like(module.PositiveInt, int64(1000)), "How many lines a second of each process are kept, on average over the interval. What comes beyond is dropped until the interval ends, and counted: the service does not wait for it."),
			"bytes":    opt(module.Like(module.OneOf(module.PositiveInt, module.String), "1M"), "How many bytes a second of each process are kept, in the same way: a number, or text such as \"1M\"."),
			"interval": opt(seconds, "The time in which lines and bytes are counted, so that bursts pass that are shorter: seconds, or text such as \"30s\"; 10 seconds unless set."),
		}},
	}
}

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
	c := in.Get(path...)
	if c.Kind() != module.KindStr {
		return int64(in.Int(path...))
	}
	n, err := parseBytes(c.String())
	if err != nil {
		c.Errorf("%v", err)
	}
	return n
}
