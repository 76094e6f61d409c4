package cli

import (
	"context"
	"fmt"

	"nix2gpu/project"
)

// evaluate reads a definition in Nix.
func (t *target) evaluate(ctx context.Context, env *Env, root, file string) (*project.Project, error) {
	return nil, fmt.Errorf("not supported: definitions in Nix (%s)", file)
}
