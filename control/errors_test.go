package control_test

import (
	"errors"
	"fmt"
	"testing"

	"nix2gpu/control"
)

func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		exit int
		ok   bool
	}{
		{&control.Error{Code: control.CodeNotFound, Msg: `no service "x"`}, 4, true},
		{fmt.Errorf("asking: %w", control.ErrNotRunning), 3, true},
		{control.ErrTimeout, 124, true},
		{control.ErrInvalid, 2, true},
		{errors.New("anything"), 1, false},
	} {
		kind, ok := control.KindOf(c.err)
		if kind.Exit != c.exit || ok != c.ok {
			t.Errorf("KindOf(%v) = exit %d, %t, want %d, %t", c.err, kind.Exit, ok, c.exit, c.ok)
		}
	}
}

func TestErrorsMatchByCode(t *testing.T) {
	err := fmt.Errorf("up: %w", &control.Error{Code: control.CodeConflict, Msg: "is stopping"})
	if !errors.Is(err, control.ErrConflict) || errors.Is(err, control.ErrBusy) {
		t.Errorf("%v must match ErrConflict only", err)
	}
}
