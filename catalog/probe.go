package catalog

import (
	"strconv"
	"strings"
	"time"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// probe reads one of the three probes; nil when it is not set.
func (in *Instance) probe(name string) *project.Probe {
	if !in.Has(name) {
		return nil
	}
	c := in.Get(name)
	p := &project.Probe{}
	checks := 0
	if c.Has("exec") {
		checks++
		p.Exec = &project.ExecCheck{Command: in.command(c.Get("exec", "command"))}
		if c.Has("exec", "working_dir") {
			p.Exec.Dir = in.place.Path(c.Str("exec", "working_dir"))
		}
	}
	if c.Has("http_get") {
		checks++
		get := c.Get("http_get")
		p.HTTP = &project.HTTPCheck{Scheme: strings.ToLower(get.String("scheme")), Host: get.String("host"), Port: port(get.Get("port")),
			Path: get.String("path"), Status: get.Int("status_code")}
		if p.HTTP.Path != "" && p.HTTP.Path[0] != '/' {
			p.HTTP.Path = "/" + p.HTTP.Path
		}
		for k, v := range get.StrMap("headers") {
			if p.HTTP.Headers == nil {
				p.HTTP.Headers = map[string]string{}
			}
			p.HTTP.Headers[k] = v.S
		}
	}
	for _, name := range []string{"tcp_socket", "tcp"} {
		if c.Has(name) {
			checks++
			p.TCP = &project.TCPCheck{Host: c.String(name, "host"), Port: port(c.Get(name, "port"))}
		}
	}
	if c.Has("grpc") {
		checks++
		p.GRPC = &project.GRPCCheck{Host: c.String("grpc", "host"), Port: port(c.Get("grpc", "port")), Service: c.String("grpc", "service")}
	}
	if c.Has("log_line") {
		checks++
		p.Log = &project.LogCheck{Contains: c.String("log_line")}
	}
	if c.Has("log") {
		checks++
		p.Log = &project.LogCheck{Pattern: c.String("log")}
	}
	if c.Has("gpu") {
		checks++
		p.GPU = &project.GPUs{Count: 1}
		if n := in.need(c.Get("gpu")); n != nil && n.chosen() {
			p.GPU = &n.GPUs
		} else if n != nil {
			p.GPU.Memory = n.Memory
		}
	}
	switch c.Kind("notify") {
	case module.KindBool:
		if c.Bool("notify") {
			checks++
			p.Notify = &project.NotifyCheck{Socket: true}
		}
	case module.KindInt:
		checks++
		p.Notify = &project.NotifyCheck{FD: c.Int("notify")}
	}
	if checks != 1 {
		c.Errorf("%s must have exactly one of exec, http_get, tcp_socket, grpc, log_line, log, notify and gpu; it has %d", name, checks)
	}
	p.InitialDelay = pause(c.Get("initial_delay_seconds"))
	p.Period = value(pause(c.Get("period_seconds")))
	p.Timeout = value(pause(c.Get("timeout_seconds")))
	p.SuccessThreshold = c.Int("success_threshold")
	p.FailureThreshold = c.Int("failure_threshold")
	return p
}

// command reads a line for the shell, or a list of words that needs none. A
// package alone, or as the first word, is its main program.
func (in *Instance) command(c *module.Config) project.Command {
	if c.Kind() == module.KindList {
		var words []project.Text
		for i, w := range c.List() {
			if exe, ok := in.program(w); ok && i == 0 {
				words = append(words, exe)
				continue
			}
			words = append(words, in.place.Text(w.Str()))
		}
		return project.Command{Exec: words}
	}
	if exe, ok := in.program(c); ok {
		return project.Command{Exec: []project.Text{exe}}
	}
	return project.Command{Shell: in.place.Text(c.Str())}
}

// program is the main program of a package, also of one that was made a
// string: "${pkgs.hello}".
func (in *Instance) program(c *module.Config) (exe project.Text, ok bool) {
	if s, ok := c.Program(); ok {
		return in.place.Text(s), true
	}
	text := in.place.Text(c.Str())
	if len(text) != 1 || text[0].Package == nil || text[0].Package.Sub != "" {
		return nil, false
	}
	attr := text[0].Package.Attr
	name := attr[strings.LastIndexByte(attr, '.')+1:]
	if in.place.MainProgram != nil {
		name = in.place.MainProgram(attr)
	}
	return project.PackagePath(attr, "/bin/"+name), true
}

// port reads a port that may be text.
func port(c *module.Config) int {
	if c.Kind() != module.KindStr {
		return c.Int()
	}
	n, err := strconv.Atoi(c.String())
	if err != nil || n < 1 || n > 65535 {
		c.Errorf("port must be between 1 and 65535, not %q", c.String())
	}
	return n
}

// pause reads a length of time: a number of seconds, or text. nil when unset.
func (in *Instance) pause(path ...string) *project.Duration { return pause(in.Get(path...)) }

func pause(c *module.Config) *project.Duration {
	switch c.Kind() {
	case module.KindInt, module.KindFloat:
		if c.Float() < 0 || c.Float() > maxSeconds {
			c.Errorf("%s must be a number of seconds, 0 or more, not %v", c.Name(), c.Float())
			return nil
		}
		return project.For(time.Duration(c.Float() * float64(time.Second)))
	case module.KindStr:
		d, err := parsePause(c.String())
		if err != nil {
			c.Errorf("%s %v", c.Name(), err)
			return nil
		}
		return project.For(d)
	}
	return nil
}

func value(d *project.Duration) project.Duration {
	if d == nil {
		return 0
	}
	return *d
}
