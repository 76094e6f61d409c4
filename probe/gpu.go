package probe

import (
	"context"
	"errors"

	"nix2gpu/gpu"
	"nix2gpu/project"
)

// gpuCheck succeeds when nvidia-smi shows the GPUs that are needed.
type gpuCheck struct {
	need *project.GPUs
	ask  gpu.Ask
}

func (c gpuCheck) Check(ctx context.Context) error {
	cards, err := gpu.Cards(ctx, c.ask)
	if err == nil {
		if lack := gpu.Lack(c.need, cards); lack != nil {
			err = lack
		}
	}
	var e *gpu.Error
	if errors.As(err, &e) {
		return errors.New(e.InLine())
	}
	return err
}
