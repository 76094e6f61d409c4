package registry

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

func resolve(t *testing.T, env map[string]string, repo string) (authn.AuthConfig, *keychain) {
	t.Helper()
	k := &keychain{getenv: func(n string) string { return env[n] }}
	r, err := name.NewRepository(repo)
	if err != nil {
		t.Fatal(err)
	}
	a, err := k.Resolve(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	return *c, k
}

func TestTokenOfGitHub(t *testing.T) {
	env := map[string]string{"GITHUB_TOKEN": "ghp_x", "GITHUB_ACTOR": "me"}
	got, k := resolve(t, env, "ghcr.io/me/web")
	if want := (authn.AuthConfig{Username: "me", Password: "ghp_x"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if k.originOf("ghcr.io") != "GITHUB_TOKEN" {
		t.Errorf("origin %q", k.originOf("ghcr.io"))
	}
	for _, other := range []string{"docker.io/me/web", "ghcr.io.example.org/me/web", "quay.io/me/web"} {
		if got, _ := resolve(t, env, other); got != (authn.AuthConfig{}) {
			t.Errorf("%s gets %+v: the token is GitHub's", other, got)
		}
	}
}

// Who has logged in says which account is meant.
func TestLoginBeforeToken(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{
		"ghcr.io":{"auth":"bWU6cHc="},
		"https://index.docker.io/v1/":{"auth":"aHViOnB3"},
		"quay.io/team/a":{"auth":"ZGVlcDpwdw=="},
		"quay.io/team":{"auth":"dGVhbTpwdw=="}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DOCKER_CONFIG": dir, "GITHUB_TOKEN": "ghp_x"}
	for repo, user := range map[string]string{
		"ghcr.io/me/web": "me", "docker.io/me/web": "hub", "me/web": "hub",
		"quay.io/team/a": "deep", "quay.io/team/a/b": "deep", "quay.io/team/ab": "team", "quay.io/teams": "", "quay.io/x": "",
	} {
		if got, _ := resolve(t, env, repo); got.Username != user {
			t.Errorf("%s: user %q, want %q", repo, got.Username, user)
		}
	}
}
