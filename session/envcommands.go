package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/stage"
)

// envCommandTime is how long a command that prints a variable may take. Nothing starts
// meanwhile.
const envCommandTime = 10 * time.Second

// maxVariable bounds a variable, in bytes: no process can be given a longer one.
const maxVariable = 128 << 10

// A madeVariable is what came of a command that prints a variable.
type madeVariable struct {
	command string // comparable
	value   string
	failure string // why there is no value, with the place and the cure; "": there is one
}

// A madeEnv holds the variables that the commands of the running project have printed.
// Those that a reload does not change stay as they are, so that it restarts nothing.
type madeEnv struct {
	mu        sync.Mutex
	variables map[string]madeVariable
}

func (m *madeEnv) take(variables map[string]madeVariable) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.variables = variables
}

// known returns the variables of p. Those of commands that have not yet run, or have
// failed, have no value.
func (m *madeEnv) known(p *project.Project) map[string]madeVariable {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]madeVariable, len(p.Container.EnvCommands))
	for name, c := range p.Container.EnvCommands {
		key := commandKey(c)
		if old, ok := m.variables[name]; ok && old.command == key && old.failure == "" {
			out[name] = old
			continue
		}
		out[name] = madeVariable{command: key, failure: "it has not yet run"}
	}
	return out
}

// foreseen is known, but a command that is new or has changed has a value, which differs
// from all others.
func (m *madeEnv) foreseen(p *project.Project) map[string]madeVariable {
	out := m.known(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, v := range out {
		if m.variables[name].command != v.command {
			out[name] = madeVariable{command: v.command, value: "what " + v.command + " will print"}
		}
	}
	return out
}

// failed returns the variables that could not be made.
func (m *madeEnv) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var why []string
	for _, name := range slices.Sorted(maps.Keys(m.variables)) {
		if v := m.variables[name]; v.failure != "" {
			why = append(why, v.failure)
		}
	}
	if len(why) == 0 {
		return nil
	}
	return errors.New(strings.Join(why, "; "))
}

func commandKey(c *project.EnvCommand) string {
	data, err := json.Marshal(c.Command)
	if err != nil {
		return err.Error() // never: a project can be encoded
	}
	return string(data)
}

// withEnv returns p with the variables in the environment of all. What a command has
// printed may be a password, so it is never shown.
func withEnv(p project.Valid, made map[string]madeVariable) project.Valid {
	if len(made) == 0 {
		return p
	}
	own := *p.Project()
	own.Container.Env = maps.Clone(own.Container.Env)
	if own.Container.Env == nil {
		own.Container.Env = map[string]project.Value{}
	}
	for name, v := range made {
		if v.failure == "" {
			own.Container.Env[name] = project.Value{Text: project.Lit(v.value), Secret: true}
		}
	}
	return project.TakenAsValid(&own)
}

// makeEnv returns p with the variables that its commands print, which it runs, at the
// same time, unless the running project has them already. A variable whose command fails
// is not set, as in process-compose.
func (s *session) makeEnv(ctx context.Context, p project.Valid) (project.Valid, map[string]madeVariable) {
	made := s.made.known(p.Project())
	var running sync.WaitGroup
	var mu sync.Mutex
	for name, v := range maps.Clone(made) {
		if v.failure == "" {
			continue
		}
		running.Go(func() {
			c := p.Project().Container.EnvCommands[name]
			value, err := s.printed(ctx, p.Project(), name, c)
			v := madeVariable{command: v.command, value: value}
			if err != nil {
				v.failure = fmt.Sprintf("env_cmds.%s: %v, so the variable is not set; correct it and reload", name, err)
				if pos := c.Pos.String(); pos != "" {
					v.failure = pos + ": " + v.failure
				}
				s.log.Warn("a variable could not be made", "variable", name, "err", err)
			}
			mu.Lock()
			defer mu.Unlock()
			made[name] = v
		})
	}
	running.Wait()
	return withEnv(p, made), made
}

// printed runs the command of a variable, as a process of the project, and returns what
// it prints, without the blanks at its ends.
func (s *session) printed(ctx context.Context, p *project.Project, name string, c *project.EnvCommand) (string, error) {
	proc := &project.Process{ID: project.ID("env_cmds." + name), Command: c.Command}
	launch, err := s.Stage().Prepare(p, proc)
	var refused *stage.Error
	if errors.As(err, &refused) && refused.Hint != "" {
		return "", fmt.Errorf("%s (%s)", refused.Msg, refused.Hint)
	} else if err != nil {
		return "", err
	}
	out, err := Listen()
	if err != nil {
		return "", err
	}
	defer out.End.Close()
	complaint, err := Listen()
	if err != nil {
		return "", err
	}
	defer complaint.End.Close()
	spec := process.Spec{Name: string(proc.ID), Path: launch.Path, Argv: launch.Argv, Env: launch.Env, Dir: launch.Dir, Stdout: out.End, Stderr: complaint.End}
	limited, cancel := context.WithTimeout(ctx, envCommandTime)
	defer cancel()
	child, err := s.host.Start(spec)
	if err != nil {
		return "", err
	}
	out.End.Close()
	complaint.End.Close()
	select {
	case <-child.Done():
	case <-limited.Done():
		child.Kill()
		if ctx.Err() != nil {
			return "", errors.New("it was interrupted")
		}
		return "", fmt.Errorf("it took longer than %v", envCommandTime)
	}
	if exit := child.Exit(); !exit.Success() {
		why := exit.String()
		lines := strings.Split(strings.TrimSpace(complaint.Printed()), "\n")
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
			why += ": " + last
		}
		return "", errors.New(why)
	}
	value := strings.TrimSpace(out.Printed())
	switch {
	case strings.ContainsRune(value, 0):
		return "", errors.New("it printed a zero byte")
	case len(value)+len(name)+2 > maxVariable:
		return "", fmt.Errorf("it printed more than %d KiB", maxVariable>>10)
	}
	return value, nil
}
