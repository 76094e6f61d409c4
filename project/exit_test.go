package project_test

import (
	"encoding/json"
	"testing"
	"time"

	"nix2gpu/project"
)

func TestExit(t *testing.T) {
	segv, oom := project.KilledBy(11), project.KilledBy(project.SIGKILL)
	segv.Core, oom.OOM = true, true
	for want, c := range map[string]struct {
		exit    project.Exit
		code    int
		success bool
	}{
		"exit code 0":                     {project.Exit{}, 0, true},
		"exit code 143":                   {project.Exit{Code: 143}, 143, false},
		"killed by SIGTERM":               {project.KilledBy(project.SIGTERM), 143, false},
		"killed by SIGRTMAX":              {project.KilledBy(64), 192, false},
		"killed by SIGSEGV (core dumped)": {segv, 139, false},
		"out of memory (killed)":          {oom, 137, false},
		"no such program":                 {project.Exit{Error: "no such program", Code: 127}, 127, false},
		"stopped before it was started":   {project.Exit{Error: "stopped before it was started"}, 0, false},
	} {
		if got := c.exit.String(); got != want {
			t.Errorf("%+v is %q, want %q", c.exit, got, want)
		}
		if c.exit.Code != c.code || c.exit.Success() != c.success {
			t.Errorf("%s: code %d, success %t, want %d, %t", want, c.exit.Code, c.exit.Success(), c.code, c.success)
		}
	}
}

func TestExitInJSON(t *testing.T) {
	x := project.KilledBy(11)
	x.Process, x.At = "web", time.Unix(1, 0).UTC()
	x.Ran, x.CPU, x.Memory = project.Duration(1500*time.Millisecond), project.Duration(20*time.Millisecond), 4096
	const want = `{"process":"web","code":139,"signal":"SIGSEGV","at":"1970-01-01T00:00:01Z","ran":"1.5s","cpu":"20ms","memory":4096,"text":"killed by SIGSEGV"}`
	got, err := json.Marshal(x)
	if err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	var back project.Exit
	if err := json.Unmarshal(got, &back); err != nil || back != x {
		t.Errorf("Unmarshal = %+v, %v, want %+v", back, err, x)
	}
}
