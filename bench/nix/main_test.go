package main

import (
	"io"
	"strings"
	"testing"
)

func TestNothingMatches(t *testing.T) {
	err := compare(t.Context(), io.Discard, "true", "true", "", "NOTHING", 1)
	if err == nil || !strings.Contains(err.Error(), "-run NOTHING matches none of the programs: ") || !strings.Contains(err.Error(), " fib") {
		t.Errorf("error %v, want the names of the programs", err)
	}
}
