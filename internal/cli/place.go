package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nix2gpu/container"
	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/rundir"
)

// rundirEnv returns what decides where sockets, state and logs are.
func (e *Env) rundirEnv() rundir.Env {
	env := rundir.FromEnv(e.Getenv, e.inContainer())
	env.UID = e.UID
	if e.socket != "" {
		env.Socket = e.socket
	}
	if env.Socket != "" {
		env.Socket = e.path(env.Socket)
	}
	return env
}

// inContainer reports whether we run in an image of ours. A login by ssh may lack
// the variable.
func (e *Env) inContainer() bool { return e.Getenv("NIX2GPU_CONTAINER") != "" || e.isBaked() }

// isBaked reports whether the image that we run in has a project.
func (e *Env) isBaked() bool {
	info, err := os.Stat(e.Baked)
	return e.Baked != "" && err == nil && info.Mode().IsRegular()
}

// folder returns the definition's folder, without reading the definition.
func (t *target) folder(env *Env) string {
	if len(t.files) == 0 {
		return env.home()
	}
	full := env.path(t.files[0])
	if info, err := os.Stat(full); err == nil && info.IsDir() {
		return full
	}
	return filepath.Dir(full)
}

// instance tells the project of t from others of its folder, and reports whether a file of
// process-compose is named. Only that is read.
func (t *target) instance(env *Env) (name string, compose bool) {
	if t.container != "" || len(t.files) == 0 {
		return t.container, false
	}
	full := env.path(t.files[0])
	if info, err := os.Stat(full); err != nil || info.IsDir() {
		return "", false
	}
	if d := (located{filepath.Dir(full), []string{filepath.Base(full)}}); d.isCompose() {
		return d.apart(), true
	}
	return "", false
}

// running connects to the supervisor of t. Nothing is evaluated.
func (t *target) running(ctx context.Context, env *Env) (*client.Client, error) {
	c, _, err := t.find(ctx, env)
	return c, err
}

// find is running, and returns the project's paths as well: none of one that is asked
// over TCP. If no container is named, it finds the only project of the folder that runs.
func (t *target) find(ctx context.Context, env *Env) (*client.Client, rundir.Layout, error) {
	if c, err := t.elsewhere(env); c != nil || err != nil {
		if err == nil {
			_, err = c.State(ctx)
		}
		return c, rundir.Layout{}, err
	}
	renv, root := env.rundirEnv(), t.folder(env)
	name, compose := t.instance(env)
	layout := rundir.Locate(renv, name, root)
	c := client.New(layout.Socket)
	_, err := c.State(ctx)
	if renv.InContainer && renv.Socket == "" && errors.Is(err, control.ErrNotRunning) {
		return c, layout, orBooting(ctx, env, c, layout, err)
	}
	if err == nil || t.container != "" || renv.Socket != "" || renv.InContainer {
		return c, layout, err
	}
	if compose { // another file of the folder is another project
		if pid := layout.Holder(); pid != 0 {
			return c, layout, awaitSocket(ctx, c, layout, pid)
		}
		return c, layout, err
	}
	here := runningIn(ctx, renv, root)
	if len(here) > 1 {
		names := slices.Sorted(maps.Keys(here))
		err := usageError("several projects run here: %s", strings.Join(names, ", "))
		if _, missing := os.Stat(filepath.Join(root, names[0])); missing == nil {
			return nil, layout, hint(err, "name one: --file %s", names[0])
		}
		return nil, layout, hint(err, "name one: --container %s", names[0])
	}
	for _, l := range here {
		return client.New(l.Socket), l, nil
	}
	last := lastRun(renv, layout, root)
	if pid := layout.Holder(); pid != 0 {
		return c, layout, awaitSocket(ctx, c, layout, pid)
	}
	if pid := last.Holder(); pid != 0 {
		c := client.New(last.Socket)
		return c, last, awaitSocket(ctx, c, last, pid)
	}
	return nil, last, err
}

// errBooting says that nothing runs yet, but will soon.
var errBooting = &control.Error{Code: control.CodeNotRunning, Msg: "still booting: the services have not been started yet",
	Hint: "wait for them with \"nix2gpu wait\""}

// orBooting finds out whether a container in which nothing answers is still booting.
// If not, it returns err, which says that nothing runs.
func orBooting(ctx context.Context, env *Env, c *client.Client, layout rundir.Layout, err error) error {
	if pid := layout.Holder(); pid != 0 {
		return awaitSocket(ctx, c, layout, pid)
	}
	if !container.IsBooting(env.UID) {
		return err
	}
	// The boot may have ended since we asked for the state.
	if _, err := c.State(ctx); err == nil {
		return nil
	}
	return errBooting
}

// booted is find, but waits while the container is booting.
func (t *target) booted(ctx context.Context, env *Env) (*client.Client, rundir.Layout, error) {
	for {
		c, layout, err := t.find(ctx, env)
		inQuestion := err != nil && ctx.Err() != nil && container.IsBooting(env.UID) // the limit ended in the middle of a request
		if err != error(errBooting) && !inQuestion {
			return c, layout, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if exitCode(cause) == exitTimeout {
				fmt.Fprintln(env.Stderr, "the container is still booting")
			}
			return nil, layout, cause
		}
	}
}

// awaitSocket waits for a supervisor that holds its lock and does not answer, because
// it is starting or ending. One that does not answer within two seconds is another
// user's, or was given another socket.
func awaitSocket(ctx context.Context, c *client.Client, layout rundir.Layout, pid int) error {
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) && layout.Holder() != 0; {
		if _, err := c.State(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	if layout.Holder() == 0 {
		return &control.Error{Code: control.CodeNotRunning, Msg: "nothing is running here", Hint: "start it with \"nix2gpu up\""}
	}
	return elsewhere(layout, pid)
}

// elsewhere is the error for a supervisor that holds its lock and does not answer.
func elsewhere(layout rundir.Layout, pid int) error {
	return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("a project runs here as pid %d, and its control socket is not at %s", pid, layout.Socket),
		Hint: "ask as the user who started it, or name its socket with --socket"}
}

// runningIn finds the running projects of a folder, by name. Most keep their state
// in the folder; only if none of those runs, all supervisors of this user are asked.
func runningIn(ctx context.Context, renv rundir.Env, root string) map[string]rundir.Layout {
	here := map[string]rundir.Layout{}
	entries, err := os.ReadDir(filepath.Join(root, ".nix2gpu"))
	for _, e := range entries {
		l := rundir.Locate(renv, e.Name(), root)
		if !e.IsDir() || l.Holder() == 0 {
			continue
		}
		if state, err := ask(ctx, client.New(l.Socket)); err == nil && sameFolder(state.Root, root) {
			here[e.Name()] = l
		}
	}
	if err == nil && len(here) > 0 {
		return here
	}
	// Their state is elsewhere, or was removed while they run.
	for _, socket := range rundir.Find(renv) {
		state, err := ask(ctx, client.New(socket))
		if err != nil || !sameFolder(state.Root, root) {
			continue
		}
		for _, name := range []string{state.Project, filepath.Base(state.Definition), filepath.Base(root)} {
			if l := rundir.Locate(renv, name, root); l.Socket == socket {
				here[name] = l
				break
			}
		}
	}
	return here
}

// lastRun returns the paths of the project that ran last in a folder; layout if
// there was none.
func lastRun(renv rundir.Env, layout rundir.Layout, root string) rundir.Layout {
	var latest time.Time
	entries, _ := os.ReadDir(filepath.Join(root, ".nix2gpu"))
	for _, e := range entries {
		other := rundir.Locate(renv, e.Name(), root)
		if e.Name() == filepath.Base(layout.State) { // the container without a name
			other = layout
		}
		info, err := os.Stat(other.Project)
		if err == nil && info.ModTime().After(latest) {
			latest, layout = info.ModTime(), other
		}
	}
	return layout
}

// ask asks a supervisor for its state, for a second at most: it may be another
// user's, or hang.
func ask(ctx context.Context, c *client.Client) (*control.State, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return c.State(ctx)
}

func sameFolder(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// selfPath returns the path of this program, by which other users can start it too.
func (e *Env) selfPath() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find the file of this program: %v", err)
	}
	return path, nil
}
