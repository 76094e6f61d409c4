package project_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/project"
)

// No two accounts share a number, and none has a number that usual machines hand out.
func TestSystemUsersAreDistinct(t *testing.T) {
	seen := map[uint32]string{}
	for name, u := range project.SystemUsers() {
		if other := seen[u.UID]; other != "" {
			t.Errorf("%q and %q share number %d", name, other, u.UID)
		}
		seen[u.UID] = name
		if ours := u.UID >= 900 && u.UID < 950; u.UID != u.GID || !ours && name != "www-data" && name != "nobody" || !strings.HasPrefix(u.Home, "/") {
			t.Errorf("%q is %+v", name, u)
		}
	}
}

func TestDeclareUsers(t *testing.T) {
	p := build(t, "redis.a", "api", "web")
	p.Processes["redis.a"].User = "redis"
	p.Processes["api"].User = "me"
	p.Processes["web"].Dirs = []project.Dir{{Path: project.RunPath("/x"), Owner: "www-data"}}
	p.Processes["web"].Files = []project.File{{Path: project.RunPath("/y"), Owner: "nats"}}
	p.DeclareUsers()
	if got, want := fmt.Sprint(p.Users), "map[nats:{906 906 /nonexistent} redis:{901 901 /var/lib/redis} www-data:{33 33 /var/www}]"; got != want {
		t.Errorf("declared are %s, want %s", got, want)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	for user, ok := range map[string]bool{"redis|nobody": false, "a b": false, "-x": false, "1000": true, "me.too": true, "Admin": true, "": true} {
		p.Processes["api"].User = user
		if err := p.Validate(); (err == nil) != ok {
			t.Errorf("user %q: %v", user, err)
		}
	}
}
