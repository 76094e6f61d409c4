package container

import (
	"context"
	"os"

	"nix2gpu/compose"
)

// composeFile is where people look up the configuration. We never read it.
const composeFile = "/tmp/process-compose.yaml"

func writeProject(_ context.Context, m *Machine) error {
	if m.Project == nil {
		return nil
	}
	data, err := compose.Encode(m.Project.Masked(), compose.EncodeOptions{})
	if err != nil {
		return err
	}
	return m.put(composeFile, string(data), 0o644)
}

// startup runs the script of the definition.
func startup(ctx context.Context, m *Machine) error {
	if m.Project == nil || m.Project.Container.Startup.IsEmpty() || m.Startup == nil {
		return nil
	}
	return m.Startup(ctx)
}

// makeOpen makes a folder that everybody may read.
func (m *Machine) makeOpen(dir string) error {
	return os.MkdirAll(m.path(dir), 0o755)
}
