package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// A keychain finds the credentials that docker, podman and their helpers would use, and
// those of a GitHub workflow. It records where they came from, for messages.
type keychain struct {
	getenv func(string) string

	mu     sync.Mutex
	origin map[string]string // by registry
}

// A credentialsError says that a file or a helper failed to give credentials.
type credentialsError struct {
	where string
	err   error
}

func (e *credentialsError) Error() string { return fmt.Sprintf("%s: %v", e.where, e.err) }
func (e *credentialsError) Unwrap() error { return e.err }

// files returns the files that may have credentials, in order of precedence. All are
// read: a user of podman often has a file of docker's too, without the registry in it.
func (k *keychain) files() []string {
	home := k.getenv("HOME")
	var out []string
	switch dir := k.getenv("DOCKER_CONFIG"); {
	case dir != "":
		out = append(out, filepath.Join(dir, "config.json"))
	case home != "":
		out = append(out, filepath.Join(home, ".docker", "config.json"))
	}
	if file := k.getenv("REGISTRY_AUTH_FILE"); file != "" {
		out = append(out, file)
	}
	if dir := k.getenv("XDG_RUNTIME_DIR"); dir != "" {
		out = append(out, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := k.getenv("XDG_CONFIG_HOME"); dir != "" {
		out = append(out, filepath.Join(dir, "containers", "auth.json"))
	} else if home != "" {
		out = append(out, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return out
}

// Resolve implements authn.Keychain.
func (k *keychain) Resolve(what authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), what)
}

// ResolveContext implements authn.ContextKeychain.
func (k *keychain) ResolveContext(_ context.Context, what authn.Resource) (authn.Authenticator, error) {
	for _, file := range k.files() {
		found, err := fromFile(file, what)
		if err != nil {
			return nil, err
		}
		if found != nil {
			k.remember(what, file)
			return found, nil
		}
	}
	if token := k.getenv("GITHUB_TOKEN"); token != "" && what.RegistryStr() == "ghcr.io" {
		k.remember(what, "GITHUB_TOKEN")
		user := k.getenv("GITHUB_ACTOR")
		if user == "" {
			user = "token" // ghcr.io ignores the name, but requires one
		}
		return authn.FromConfig(authn.AuthConfig{Username: user, Password: token}), nil
	}
	return authn.Anonymous, nil
}

func (k *keychain) remember(what authn.Resource, origin string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.origin == nil {
		k.origin = map[string]string{}
	}
	k.origin[what.RegistryStr()] = origin
}

// originOf returns where the credentials for a registry came from; "" if there are none.
func (k *keychain) originOf(registry string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.origin[registry]
}

// fromFile looks for credentials in a file; nil if it has none. The library runs a helper
// that the file names.
func fromFile(file string, what authn.Resource) (authn.Authenticator, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &credentialsError{file, errors.Unwrap(err)}
	}
	defer f.Close()
	cf, err := config.LoadFromReader(f)
	if err != nil {
		return nil, &credentialsError{file, err}
	}
	for _, key := range partsOf(what) {
		if got := credentials(cf.AuthConfigs[key]); got != nil {
			return got, nil
		}
	}
	// The library would take an entry for a part of a registry for one of the whole.
	// Only docker's old form of naming registries, a URL, means that.
	maps.DeleteFunc(cf.AuthConfigs, func(key string, _ types.AuthConfig) bool {
		return strings.Contains(key, "/") && !strings.Contains(key, "://")
	})
	host := what.RegistryStr()
	if host == name.DefaultRegistry {
		host = authn.DefaultAuthKey
	}
	got, err := cf.GetAuthConfig(host)
	if err != nil {
		where := file
		if helper := helperFor(cf, host); helper != "" {
			where = fmt.Sprintf("%s names the credential helper %q", file, "docker-credential-"+helper)
			if strings.Contains(err.Error(), exec.ErrNotFound.Error()) { // the library does not wrap the error
				err = errors.New("it is not installed")
			}
		}
		return nil, &credentialsError{where, err}
	}
	if found := credentials(got); found != nil {
		return found, nil
	}
	return nil, nil
}

func credentials(c types.AuthConfig) authn.Authenticator {
	c.ServerAddress = "" // the library sets it even if nothing was found
	if c == (types.AuthConfig{}) {
		return nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: c.Username, Password: c.Password, Auth: c.Auth,
		IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	})
}

// partsOf returns the names below a registry by which podman may have credentials for a
// repository, the longest first. Helpers know only registries.
func partsOf(what authn.Resource) []string {
	full := what.String()
	var parts []string
	for at := len(full); at > len(what.RegistryStr()); at = strings.LastIndexByte(full[:at], '/') {
		parts = append(parts, full[:at])
	}
	return parts
}

func helperFor(cf *configfile.ConfigFile, host string) string {
	if h := cf.CredentialHelpers[host]; h != "" {
		return h
	}
	return cf.CredentialsStore
}
