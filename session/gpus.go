package session

import (
	"context"
	"errors"
	"strings"

	"nix2gpu/gpu"
	"nix2gpu/process"
	"nix2gpu/project"
)

// inside reports whether the machine is a container that runs an image of ours.
func (m Machine) inside() bool { return m.Layout.Baked != "" }

// gpus finds services whose own options ask for GPUs that are not here. A need that
// was only derived, from the container's options or CUDA's variables, refuses
// nothing: the service may work without a GPU.
func (c *check) gpus() {
	var cards []gpu.Card
	var failed *gpu.Error
	asked := false
	c.services(func(s *project.Service) {
		pos, ok := project.Pos{}, false
		for _, option := range []string{"gpu.memory", "gpu.uuid", "gpu.count", "gpus"} {
			if at, set := s.Options[option]; set {
				pos, ok = at, true
			}
		}
		if !ok || s.GPUs == nil {
			return
		}
		if !asked {
			asked = true
			cards, failed = c.cards()
		}
		e := failed
		if e == nil {
			e = gpu.Lack(s.GPUs, cards)
		}
		if e != nil {
			c.fail(GPUMissing, s, pos, c.cure(e), "%s", e.Msg)
		}
	})
}

// cards asks for the GPUs, once for all services, because asking takes long.
func (c *check) cards() ([]gpu.Card, *gpu.Error) {
	if c.GPU == nil {
		return nil, gpu.Absent(c.inside())
	}
	cards, err := gpu.Cards(context.Background(), c.GPU) // gpu.Limit bounds it
	var e *gpu.Error
	if err != nil && !errors.As(err, &e) {
		e = &gpu.Error{Kind: gpu.Failed, Msg: err.Error()}
	}
	return cards, e
}

// cure returns what to do about e. Flags of docker run are no cure on a machine that
// runs services itself.
func (c *check) cure(e *gpu.Error) string {
	switch lacks := e.Kind == gpu.None || e.Kind == gpu.Missing; {
	case lacks && c.inside() && gpu.ParseVisible(getenv(c.Environ, gpu.VisibleVar)).None:
		return "run with -e " + gpu.VisibleVar + "=all"
	case e.Kind == gpu.None && !c.inside():
		return "ask for what is here, or run it on another machine"
	}
	return e.Hint
}

func getenv(environ []string, name string) (value string) {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}

// askGPUs runs nvidia-smi as a child of the supervising process.
func (s *session) askGPUs(ctx context.Context, args ...string) (string, int, error) {
	program, ok := gpu.Find("/", getenv(s.Environ, "PATH"))
	if !ok {
		return "", 0, gpu.Absent(s.inside())
	}
	return s.listenTo(ctx, process.Spec{Name: gpu.Program, Path: program, Argv: append([]string{program}, args...), Env: s.Environ})
}

// runTrial runs a test of a configuration as a child of the supervising process. It
// is our own program whatever has become of its file, and whoever may reach that.
func (s *session) runTrial(ctx context.Context, t process.Trial, env []string) (string, int, error) {
	args, err := t.Args()
	if err != nil {
		return "", 0, err
	}
	return s.listenTo(ctx, process.Spec{Name: "trial", Path: "/proc/self/exe", Argv: append([]string{s.Self}, args...), Env: env, Dir: "/"})
}

// listenTo runs a program and returns what it printed, up to maxAnswer, and its exit
// code. When ctx ends, the program is killed and not waited for.
func (s *session) listenTo(ctx context.Context, spec process.Spec) (string, int, error) {
	l, err := Listen()
	if err != nil {
		return "", 0, err
	}
	spec.Stdout, spec.Stderr = l.End, l.End
	p, err := s.host.Start(spec)
	l.End.Close()
	if err != nil {
		return "", 0, err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Kill() // nvidia-smi may be stuck in the driver and never end
		return "", 0, ctx.Err()
	}
	return l.Printed(), p.Exit().Code, nil
}
