package stage

import (
	"encoding/json"
	"path/filepath"

	"nix2gpu/project"
)

// passages is where the user has written the files that a one-shot is given, as it
// finds that in its environment; "" when there are none. It is no part of the
// process: what moves in a definition is no change.
func (s *Stage) passages(p *project.Project, proc *project.Process) (string, error) {
	if proc.Role == project.Main {
		return "", nil
	}
	found := map[string]*project.Passage{}
	for _, f := range proc.Files {
		if f.Pos == nil {
			continue
		}
		path, err := s.path(p, f.Path)
		if err != nil {
			return "", err
		}
		found[path] = f.Pos
	}
	for _, name := range p.Uses(proc.EachText) {
		if f := p.Files[name]; f.Pos != nil {
			found[filepath.Join(s.at.Run, "files", name)] = f.Pos
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	text, err := json.Marshal(found)
	return string(text), err
}
