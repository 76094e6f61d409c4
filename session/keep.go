package session

import (
	"os"
	"time"

	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
)

// keepProject returns a function that writes the project, without its secrets, for
// use when it runs no more: "logs" needs its labels. The function is called until it
// returns nil, since a disk may be full.
func keepProject(layout rundir.Layout, p *project.Project) func() error {
	kept, began := false, time.Now()
	return func() error {
		if kept {
			return nil
		}
		data, err := p.Masked().Encode()
		if err == nil {
			err = safefile.Replace(layout.Project, data, 0o600)
		}
		if err == nil { // "logs" takes the file's time for the start of this run
			err = os.Chtimes(layout.Project, began, began)
		}
		kept = err == nil
		return err
	}
}
