package project_test

import (
	"testing"

	"nix2gpu/project"
)

func TestParseCondition(t *testing.T) {
	for word, want := range map[string]project.Condition{
		"started": project.Started, "process_started": project.Started, "service_started": project.Started,
		"ready": project.Ready, "healthy": project.Ready, "process_healthy": project.Ready, "service_healthy": project.Ready,
		"completed": project.Completed, "completed_successfully": project.Completed,
		"process_completed_successfully": project.Completed, "service_completed_successfully": project.Completed,
		"exited": project.Exited, "process_completed": project.Exited,
		"log_ready": project.LogReady, "process_log_ready": project.LogReady,
		"": "", "redy": "", "Ready": "", "process_": "",
	} {
		got, err := project.ParseCondition(word)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseCondition(%q) = %q, %v, want %q", word, got, err, want)
		}
	}
	_, err := project.ParseCondition("redy")
	const want = `must be one of "started", "ready", "completed", "exited" or "log_ready", not "redy"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Each of its words must give the condition.
func TestConditionsHaveWords(t *testing.T) {
	if got := len(project.Conditions()); got != 5 {
		t.Errorf("%d conditions, want 5", got)
	}
	for _, c := range project.Conditions() {
		for _, word := range []string{string(c), c.ProcessCompose()} {
			if got, err := project.ParseCondition(word); err != nil || got != c {
				t.Errorf("%q is %q, %v, want %q", word, got, err, c)
			}
		}
	}
	if got := project.Condition("sometime").ProcessCompose(); got != "" {
		t.Errorf("no condition has the word %q", got)
	}
}
