package compose_test

import (
	"strings"
	"testing"

	"nix2gpu/compose"
	"nix2gpu/project"
)

// What the format has no word for stands under x-nix2gpu: nothing of a project
// is hidden from who looks at it.
func TestEncodeShowsWhatTheFormatLacks(t *testing.T) {
	p := &project.Project{
		Version: project.Version, Name: "t",
		Users:   map[string]project.User{"redis": {UID: 901, GID: 902, Home: "/h"}},
		Secrets: map[string]project.Secret{"a/pass": {File: project.RootPath("/pass")}},
		Services: map[project.ID]*project.Service{
			"a": {ID: "a", Type: "custom", Instance: "a", Label: "a", Main: "a", GPUs: &project.GPUs{Devices: []string{"0", "GPU-1"}}},
			"b": {ID: "b", Type: "custom", Instance: "b", Label: "b", Main: "b", GPUs: &project.GPUs{All: true}},
			"c": {ID: "c", Type: "custom", Instance: "c", Label: "c", Main: "c", GPUs: &project.GPUs{Count: 2}},
		},
		Processes: map[project.ID]*project.Process{
			"a": {ID: "a", Service: "a", Role: project.Main, Command: project.Command{Shell: project.Lit("x")},
				Dirs:  []project.Dir{{Path: project.RootPath("/data"), Keep: true}, {Path: project.RunPath("/tmp")}},
				Files: []project.File{{Path: project.RunPath("/key"), Source: project.RootPath("/key.pem")}, {Path: project.RunPath("/conf"), Content: project.SecretContent("a/pass")}}},
			"b": {ID: "b", Service: "b", Role: project.Main, Command: project.Command{Shell: project.Lit("x")}},
			"c": {ID: "c", Service: "c", Role: project.Main, Command: project.Command{Shell: project.Lit("x")}},
		},
	}
	out, err := compose.Encode(p, compose.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		"keep: - ./data files:", "lent: <run>/key: ./key.pem", "<run>/conf: <secret a/pass>", `gpus: devices: - "0" - GPU-1`, "gpus: all: true", "gpus: count: 2",
		"secrets: a/pass: file: ./pass", "users: redis: 901:902:/h",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// A dollar of a path that is watched is one after the encoding was read again.
func TestEncodeKeepsDollarsOfWatch(t *testing.T) {
	const src = `processes: { a: { command: x, watch: { paths: [ { path: "a$$HOME", include: ["$$x"], exclude: ["$${y}"] } ] } } }`
	encoded, ok := reencode(src)
	for _, want := range []string{"a$$HOME", "$$x", "$${y}"} {
		if !ok || !strings.Contains(encoded, want) {
			t.Errorf("%q is not in\n%s", want, encoded)
		}
	}
}

// A signal is a number of YAML, or a name.
func TestSignalsAreNumbersOfYAML(t *testing.T) {
	for text, want := range map[string]project.Signal{"15": 15, "017": 15, "0o17": 15, "0xf": 15, `"15"`: 15, "SIGTERM": 15, "term": 15, "SIGRTMIN+3": 37} {
		opts := compose.Options{Dir: "/x", NoDotEnv: true, ReadFile: func(string) ([]byte, error) {
			return []byte("processes: { a: { command: x, shutdown: { signal: " + text + " } } }"), nil
		}}
		got, err := compose.Load(opts, "x.yaml")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if s := got.Processes["a"].Shutdown.Signal; s != want {
			t.Errorf("signal: %s is %v, want %v", text, s, want)
		}
	}
}
