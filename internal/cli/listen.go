package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/project"
)

// listenFlags are those of the control API over TCP. Each has a variable for containers,
// whose entrypoint takes no flags.
type listenFlags struct {
	project.Listen
}

func (l *listenFlags) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.Address, "listen", "", "serve the control API over TCP too, at this `address`, as NIX2GPU_LISTEN does; port 0 is a free one")
	f.StringVar(&l.TokenFile, "listen-token-file", "", "the `file` with the token for it; without one, a token is made")
	f.StringVar(&l.CertFile, "listen-cert-file", "", "the `file` with the certificate for TLS, which addresses of other machines need")
	f.StringVar(&l.KeyFile, "listen-key-file", "", "the `file` with its key")
	f.StringSliceVar(&l.Allow, "listen-allow", nil, "what may be asked for beside reading, start, stop and restart: any of the `words` "+strings.Join(project.ListenAllow(), ", "))
	f.StringSliceVar(&l.Hosts, "listen-host", nil, "a `name` by which clients call this machine, beside its addresses and localhost; may be repeated")
	cmd.RegisterFlagCompletionFunc("listen-allow", cobra.FixedCompletions(project.ListenAllow(), cobra.ShellCompDirectiveNoFileComp))
}

// The variables that say the same.
const (
	listenVar       = "NIX2GPU_LISTEN"
	listenTokenVar  = "NIX2GPU_LISTEN_TOKEN_FILE"
	listenCertVar   = "NIX2GPU_LISTEN_CERT_FILE"
	listenKeyVar    = "NIX2GPU_LISTEN_KEY_FILE"
	listenAllowVar  = "NIX2GPU_LISTEN_ALLOW"
	listenHostsVar  = "NIX2GPU_LISTEN_HOSTS"
	listenFlagStart = "--listen-"
)

// of returns where to listen: what flags say, else variables; nil: what the definition
// says.
func (l *listenFlags) of(env *Env) (*project.Listen, error) {
	out, option := l.Listen, func(name string) string {
		return map[string]string{"address": "--listen", "tokenFile": listenFlagStart + "token-file", "certFile": listenFlagStart + "cert-file", "keyFile": listenFlagStart + "key-file", "allow": listenFlagStart + "allow"}[name]
	}
	if out.Address == "" {
		if out.TokenFile+out.CertFile+out.KeyFile != "" || len(out.Allow)+len(out.Hosts) > 0 {
			return nil, hint(usageError("the flags %s… need --listen", listenFlagStart), "--listen 127.0.0.1:9400")
		}
		list := func(name string) []string {
			return strings.FieldsFunc(env.Getenv(name), func(c rune) bool { return c == ',' || c == ' ' })
		}
		out = project.Listen{Address: env.Getenv(listenVar), TokenFile: env.Getenv(listenTokenVar), CertFile: env.Getenv(listenCertVar), KeyFile: env.Getenv(listenKeyVar),
			Allow: list(listenAllowVar), Hosts: list(listenHostsVar)}
		option = func(name string) string {
			return map[string]string{"address": listenVar, "tokenFile": listenTokenVar, "certFile": listenCertVar, "keyFile": listenKeyVar, "allow": listenAllowVar}[name]
		}
	}
	if out.Address == "" {
		return nil, nil
	}
	if msg, cure := out.Wrong(option); msg != "" {
		if cure != "" {
			return nil, hint(usageError("%s", msg), "%s", cure)
		}
		return nil, usageError("%s", msg)
	}
	for _, file := range []*string{&out.TokenFile, &out.CertFile, &out.KeyFile} {
		if *file != "" {
			*file = env.path(*file) // typed here, and not beside the definition
		}
	}
	return &out, nil
}
