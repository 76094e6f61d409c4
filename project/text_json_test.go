package project_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"nix2gpu/project"
)

// What a copy leaves out survives the way through JSON, of paths in the root and of others.
func TestWithoutSurvivesJSON(t *testing.T) {
	root := project.RootPath("/app")
	root[0].Without = []string{".env", "cache/big"}
	other := project.Text{{Literal: "/srv/app", Without: []string{".git"}}}
	for want, text := range map[string]project.Text{
		`[{"root":"/app","without":[".env","cache/big"]}]`: root,
		`[{"literal":"/srv/app","without":[".git"]}]`:      other,
	} {
		got, err := json.Marshal(text)
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		var back project.Text
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, text) {
			t.Errorf("%s became %#v, %v", got, back, err)
		}
	}
}
