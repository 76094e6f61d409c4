package session

import (
	"os"
	"time"

	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/safefile"
)

// keepProject leaves the project, without its secrets, for those who look when
// nothing runs any more: labels for "logs". It is done once it has returned nil.
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
		if err == nil { // its time is when this run began, however late it could be kept
			err = os.Chtimes(layout.Project, began, began)
		}
		kept = err == nil
		return err
	}
}
