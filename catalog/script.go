package catalog

import (
	"path"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// script is the path of a script for a server's set-up that a string says: that of a file, or
// of one of this name, with the string as its text, which only proc can read.
func (in *Instance) script(proc *project.Process, c *module.Config, name string) project.Text {
	if isScript(c.Str(), path.Ext(name)) {
		return in.scriptText(proc, c, name)
	}
	return in.place.Path(c.Str())
}

// scriptText is script for what is always text.
func (in *Instance) scriptText(proc *project.Process, c *module.Config, name string) project.Text {
	at := in.RunDir("/" + name)
	proc.Files = append(proc.Files, project.File{Path: at, Content: in.place.Text(c.Str()), Mode: "0600", Pos: in.place.passage(c.Origin(), c.String(), 1)})
	return at
}

// isScript reports whether a string is a script itself, and not the path of a file, whose name
// usually has the ending of scripts: it goes on in words or brackets, and does not begin as paths do.
func isScript(s module.Str, ending string) bool {
	if strings.ContainsAny(s.S, "\n;") {
		return true
	}
	for _, begin := range []string{"/", "./", "../", "~"} {
		if strings.HasPrefix(s.S, begin) && !strings.HasPrefix(s.S, "/*") && !strings.HasPrefix(s.S, "//") {
			return false
		}
	}
	return len(s.Context) == 0 && strings.ContainsAny(s.S, " (") && !strings.HasSuffix(s.S, ending)
}
