package cli

import "testing"

func TestColors(t *testing.T) {
	for _, c := range []struct {
		what    string
		env     Env
		up, own string // of up, and of boot
	}{
		{"a pipe", Env{colors: "auto"}, "", ""},
		{"a terminal", Env{colors: "auto", StdoutTTY: true}, "labels", ""},
		{"a terminal that wants none", Env{colors: "auto", StdoutTTY: true, Environ: []string{"NO_COLOR=1"}}, "never", "never"},
		{"a pipe that wants some", Env{colors: "auto", Environ: []string{"FORCE_COLOR=1"}}, "labels", ""},
		{"a pipe that wants some, in other words", Env{colors: "auto", Environ: []string{"CLICOLOR_FORCE=1"}}, "labels", ""},
		{"a 0 asks for nothing", Env{colors: "auto", Environ: []string{"FORCE_COLOR=0"}}, "", ""},
		{"a flag", Env{colors: "never", StdoutTTY: true}, "never", "never"},
	} {
		if got := c.env.colorMode(); got != c.up {
			t.Errorf("%s: up has %q, want %q", c.what, got, c.up)
		}
		if got := c.env.bootColors(); got != c.own {
			t.Errorf("%s: boot has %q, want %q", c.what, got, c.own)
		}
	}
}
