package cli

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/rundir"
)

// A remote says which project a verb asks over TCP, instead of one on this machine.
type remote struct {
	host, tokenFile, caFile string
	token                   string // itself, where a variable holds it
	name                    string // the flag or variable that says so; "" is none
}

// The variables of the flags that every verb has.
const (
	hostVar      = "NIX2GPU_HOST"
	tokenFileVar = "NIX2GPU_TOKEN_FILE"
	caFileVar    = "NIX2GPU_CA_FILE"
)

// addRemoteFlags adds the flags of verbs that can ask over TCP.
func addRemoteFlags(env *Env, root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&env.remote.host, "host", "", "ask the project that listens at this `address`, instead of one here, as NIX2GPU_HOST does")
	f.StringVar(&env.remote.tokenFile, "token-file", "", "the `file` with the token for --host, as NIX2GPU_TOKEN_FILE does")
	f.StringVar(&env.remote.caFile, "ca-file", "", "the `file` with the certificates for --host, as NIX2GPU_CA_FILE does")
}

// askingKey is the annotation of verbs that ask a running project, and what they do where
// that is elsewhere.
const askingKey = "asks"

const (
	asksAnywhere = "anywhere" // over TCP too
	asksHere     = "here"     // only through the socket
)

// asks marks verbs that ask a running project.
func asks(how string, cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[askingKey] = how
		asks(how, cmd.Commands()...)
	}
}

// reads takes what flags and variables say of where the project is.
func (r *remote) read(env *Env, cmd *cobra.Command) error {
	how := cmd.Annotations[askingKey]
	r.name = hostVar
	switch {
	case r.host != "":
		r.name = "--host"
	case r.tokenFile != "" || r.caFile != "":
		flag := "--token-file"
		if r.tokenFile == "" {
			flag = "--ca-file"
		}
		if env.Getenv(hostVar) == "" {
			return hint(usageError("%s needs --host", flag), "--host shop.example:9400")
		}
	case how == "":
		*r = remote{} // the variables are not about this verb
		return nil
	}
	if r.host = cmp.Or(r.host, env.Getenv(hostVar)); r.host == "" {
		*r = remote{}
		return nil
	}
	r.tokenFile, r.caFile = cmp.Or(r.tokenFile, env.Getenv(tokenFileVar)), cmp.Or(r.caFile, env.Getenv(caFileVar))
	return r.check(env, cmd)
}

// check refuses verbs that can't ask elsewhere.
func (r *remote) check(env *Env, cmd *cobra.Command) error {
	if socket := cmd.Flags().Lookup("socket"); socket != nil && socket.Changed {
		return hint(usageError("--socket and %s exclude each other", r.name), "name the project by one of them")
	}
	if how := cmd.Annotations[askingKey]; how != asksAnywhere {
		return hint(usageError("%s works on this machine, and %s names a project elsewhere", cmd.Name(), r.name), "run it there, or leave out %s", r.name)
	}
	_, err := r.client(env)
	return err
}

// client returns a client of the project that is named; nil if none is.
func (r *remote) client(env *Env) (*client.Client, error) {
	if r.host == "" {
		return nil, nil
	}
	opts := client.TCP{URL: r.host, Token: r.token, TokenFile: r.tokenFile, CAFile: r.caFile}
	for _, file := range []*string{&opts.TokenFile, &opts.CAFile} {
		if *file != "" {
			*file = env.path(*file)
		}
	}
	c, err := client.NewTCP(opts)
	if err != nil || opts.Token != "" || opts.TokenFile != "" || !c.IsRemote() || !env.isHere(c) {
		return c, err
	}
	opts.TokenFile = env.ownToken()
	return client.NewTCP(opts)
}

// isHere reports whether a client asks this machine.
func (e *Env) isHere(c *client.Client) bool {
	u, err := url.Parse(c.Where())
	return err == nil && slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
}

// ownToken is the file of the token that was made for the project of this folder; "" if
// there is none.
func (e *Env) ownToken() string {
	renv, root := e.rundirEnv(), e.home()
	file := filepath.Join(lastRun(renv, rundir.Locate(renv, "", root), root).State, "token")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// elsewhere returns a client of the project that flags or variables name; nil if they
// name none.
func (t *target) elsewhere(env *Env) (*client.Client, error) {
	c, err := env.remote.client(env)
	if c == nil || err != nil {
		return nil, err
	}
	if len(t.files) > 0 || t.container != "" {
		return nil, hint(usageError("%s names the project, and a definition or a container does, too", env.remote.name), "leave out one of them")
	}
	return c, nil
}

// reloadThere lets a project that is asked over TCP evaluate its definition again, with
// other numbers of replicas if some are given.
func (opts *reloadOptions) reloadThere(ctx context.Context, env *Env, c *client.Client) error {
	t := &opts.target
	switch {
	case opts.dryRun:
		return hint(usageError("--dry-run compares with a definition, and that is with the project at %s", env.remote.host), "run it there")
	case len(t.modules)+len(t.profiles) > 0:
		return hint(usageError("--module and --profile are about a definition, and that is with the project at %s", env.remote.host), "run it there")
	}
	var changes *control.Changes
	var err error
	if len(t.scales) > 0 {
		changes, err = c.Scale(ctx, t.scales)
	} else {
		changes, err = c.Reload(ctx, nil)
	}
	if err != nil {
		return err
	}
	return opts.report(ctx, env, c, rundir.Layout{}, changes.Plan)
}
