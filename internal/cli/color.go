package cli

// color reports whether our own output on stdout is coloured.
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

// colorMode says what happens to colours that services print. A reader that is no
// terminal gets them unchanged unless it asks for none.
func (e *Env) colorMode() string {
	switch {
	case e.color():
		return "labels"
	case e.colors == "never" || e.Getenv("NO_COLOR") != "":
		return "never"
	}
	return ""
}

// bootColors is colorMode for boot. Its own output is the same with a terminal and
// without one, since a container's log is read elsewhere.
func (e *Env) bootColors() string {
	if mode := e.colorMode(); mode != "labels" {
		return mode
	}
	return ""
}
