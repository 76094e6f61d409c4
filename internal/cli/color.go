package cli

// color reports whether stdout gets colours.
func (e *Env) color() bool {
	switch e.colors {
	case "always":
		return true
	case "never":
		return false
	}
	for _, name := range []string{"CLICOLOR_FORCE", "FORCE_COLOR"} {
		if v := e.Getenv(name); v != "" && v != "0" && v != "false" {
			return true
		}
	}
	return e.StdoutTTY && e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb"
}

// colorMode is what becomes of the colours of services in our output: a
// reader that is no terminal gets theirs unless it refuses them.
func (e *Env) colorMode() string {
	switch {
	case e.color():
		return "labels"
	case e.colors == "never" || e.Getenv("NO_COLOR") != "":
		return "never"
	}
	return ""
}

// bootColors is colorMode for boot, whose own output is the same with a terminal
// and without one: who reads a container's log knows nothing of its terminal.
func (e *Env) bootColors() string {
	if mode := e.colorMode(); mode != "labels" {
		return mode
	}
	return ""
}
