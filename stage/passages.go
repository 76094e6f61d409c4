package stage

import (
	"encoding/json"
	"path/filepath"

	"nix2gpu/project"
)

// passages returns where the user has written the files that a one-shot gets, encoded
// for its environment; "" if there are none. They are no part of the process, or it
// would count as changed when text moves in a definition.
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
