package project

import (
	"fmt"
	"slices"
	"strings"
)

// A Condition is a state of a service that another can wait for.
type Condition string

// The conditions. Without a probe a service is ready once it has started.
const (
	Started   Condition = "started"
	Ready     Condition = "ready"
	Completed Condition = "completed" // ended with success
	Exited    Condition = "exited"    // ended, any way
	LogReady  Condition = "log_ready" // printed its ready line
)

// conditionWords lists the words for each condition: ours, process-compose's, and those
// of docker compose. Its order is that of messages.
func conditionWords() []conditionWord {
	return []conditionWord{
		{Started, "process_started", []string{"service_started"}},
		{Ready, "process_healthy", []string{"healthy", "service_healthy"}},
		{Completed, "process_completed_successfully", []string{"completed_successfully", "service_completed_successfully"}},
		{Exited, "process_completed", nil},
		{LogReady, "process_log_ready", nil},
	}
}

type conditionWord struct {
	condition      Condition
	processCompose string
	others         []string
}

// Conditions returns all conditions, in the order in which messages list them.
func Conditions() (all []Condition) {
	for _, w := range conditionWords() {
		all = append(all, w.condition)
	}
	return all
}

// ParseCondition reads any of the words for a condition. The error lists our own.
func ParseCondition(word string) (Condition, error) {
	var ours []string
	for _, w := range conditionWords() {
		if word == string(w.condition) || word == w.processCompose || slices.Contains(w.others, word) {
			return w.condition, nil
		}
		ours = append(ours, fmt.Sprintf("%q", string(w.condition)))
	}
	last := len(ours) - 1
	return "", fmt.Errorf("must be one of %s or %s, not %q", strings.Join(ours[:last], ", "), ours[last], word)
}

// ProcessCompose returns process-compose's word for the condition, or "" if there is no
// such condition.
func (c Condition) ProcessCompose() string {
	for _, w := range conditionWords() {
		if w.condition == c {
			return w.processCompose
		}
	}
	return ""
}
