package supervisor

import (
	"regexp"
	"strings"
	"testing"

	"nix2gpu/project"
)

// The one-shots of one start are in one trace, and no other. What is to go on has none.
func TestTrace(t *testing.T) {
	tr := newTracer()
	run := func(id project.ID, role project.Role, attempt int, policy project.RestartPolicy) Run {
		return Run{Service: &project.Service{ID: id}, Process: &project.Process{Role: role, Restart: project.Restart{Policy: policy}}, Attempt: attempt}
	}
	w3c := regexp.MustCompile(`^TRACEPARENT=00-([0-9a-f]{32})-([0-9a-f]{16})-01$`)
	parse := func(r Run) (trace, parent string) {
		t.Helper()
		env := tr.trace(r, []string{"A=b"})
		m := w3c.FindStringSubmatch(env[len(env)-1])
		if len(env) != 2 || m == nil || m[1] == strings.Repeat("0", 32) || m[2] == strings.Repeat("0", 16) {
			t.Fatalf("the environment is %q", env)
		}
		return m[1], m[2]
	}
	init, first := parse(run("db", project.Init, 1, ""))
	setup, second := parse(run("db", project.Setup, 1, ""))
	again, _ := parse(run("db", project.Init, 2, ""))
	job, _ := parse(run("job", project.Main, 1, project.RestartNo))
	planned := run("nightly", project.Main, 1, project.RestartAlways)
	planned.Service.Schedule = &project.Schedule{}
	plan, _ := parse(planned)
	if init != setup || first == second || init == again || init == job || job == plan {
		t.Errorf("traces %s, %s, %s, %s and %s", init, setup, again, job, plan)
	}
	if other, _ := parse(run("db", project.Init, 1, "")); other != init {
		t.Errorf("the same start has traces %s and %s", other, init)
	}
	for name, r := range map[string]Run{"a server": run("db", project.Main, 1, project.RestartOnFailure)} {
		if env := tr.trace(r, nil); env != nil {
			t.Errorf("%s has %q", name, env)
		}
	}
	if env := tr.trace(run("job", project.Main, 1, project.RestartNo), []string{"TRACEPARENT=mine"}); len(env) != 1 {
		t.Errorf("the user's own is not kept: %q", env)
	}
}
