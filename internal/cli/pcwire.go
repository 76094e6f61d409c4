package cli

import (
	"nix2gpu/compose"
	"nix2gpu/project"
	"nix2gpu/session"
)

// A pcWire reads and writes processes in the form of process-compose's API.
type pcWire struct{ opts compose.Options }

func newPCWire(env *Env, j *session.Job) pcWire {
	return pcWire{compose.Options{Dir: j.Root, Environ: env.Environ}}
}

func (w pcWire) Process(p *project.Project, id project.ID) map[string]any {
	return compose.EncodeProcess(p, id)
}

func (w pcWire) DecodeProject(now *project.Project, body []byte) (*project.Project, error) {
	return compose.DecodeProject(now, w.opts, body)
}

func (w pcWire) DecodeProcess(now *project.Project, body []byte) (*project.Project, project.ID, error) {
	return compose.DecodeProcess(now, w.opts, body)
}
