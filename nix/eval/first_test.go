package eval

import (
	"context"
	"testing"
)

// TestFirstArguments checks what the builtins say of themselves: a call computes the argument
// that they name before the builtin runs, so that has to be the one that the builtin computes
// before all others and before it fails.
func TestFirstArguments(t *testing.T) {
	said := 0
	for _, b := range Builtins() {
		if b.first == 0 {
			continue
		}
		said++
		computed := 0 // counted from 1
		args := make([]Value, len(b.Args))
		for i := range args {
			args[i] = Lazy(func(t *Thread) Value {
				computed = i + 1
				t.Throw("argument %d is needed", i+1) // ends the builtin
				return nil
			})
		}
		err := New(Options{}).Do(context.Background(), func(t *Thread) { t.Force(b.Fn(t, args)) })
		if err == nil || computed != b.first {
			t.Errorf("%s says that it computes argument %d first; it was %d (%v)", b.Name, b.first, computed, err)
		}
	}
	if said < 30 {
		t.Errorf("%d builtins say which argument they compute first", said)
	}
}
