package servicelog

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// At a terminal what services print begins in one column, and twelve of them can be
// told apart by their colour, none of which says that something is wrong.
func TestLabelsOfATerminal(t *testing.T) {
	var all []string
	for i := range 12 {
		all = append(all, fmt.Sprintf("service-%d", i))
	}
	labels := NewLabels(append(all, "db", "überall", strings.Repeat("x", widest+1)))
	seen := map[string]bool{}
	for _, label := range all {
		color := labels.color(label)
		if seen[color] || color == "31" || color == "33" || color == "91" || color == "93" {
			t.Errorf("%s has colour %s", label, color)
		}
		seen[color] = true
	}
	for label, want := range map[string]string{
		"db":                          "[db]         ",
		"service-10":                  "[service-10] ",
		"überall":                     "[überall]    ",
		Self:                          "[nix2gpu]    ",
		strings.Repeat("x", widest+1): "[" + strings.Repeat("x", widest+1) + "] ",
	} {
		if got := string(appendPrefix(nil, label, style{labels: labels})); got != want {
			t.Errorf("prefix %q, want %q", got, want)
		}
	}
	if got := string(appendPrefix(nil, "db", style{})); got != "[db] " {
		t.Errorf("elsewhere the prefix is %q", got)
	}
}

// Tones are seen at a terminal, and nowhere else.
func TestTones(t *testing.T) {
	labels := NewLabels(nil)
	for name, c := range map[string]struct {
		opts Options
		want string
	}{
		"terminal":   {Options{Color: ColorLabels, Labels: labels}, "\x1b[31mbroken"},
		"no colours": {Options{Color: ColorNever, Labels: labels}, "broken"},
		"pipe":       {Options{Color: ColorLabels}, "broken"},
		"json":       {Options{Color: ColorLabels, Labels: labels, Format: JSON}, `"message":"broken"`},
	} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			c.opts.Stdout = w
			got := make(chan string, 1)
			go func() {
				buf := make([]byte, 1000)
				n, _ := r.Read(buf)
				got <- string(buf[:n])
				io.Copy(io.Discard, r)
			}()
			hub, err := Open(c.opts)
			if err != nil {
				t.Fatal(err)
			}
			hub.SayAs(Failure, "broken")
			if text := <-got; !strings.Contains(text, c.want) || strings.Contains(text, "\x1b[31m") != (name == "terminal") {
				t.Errorf("shown %q, want %q", text, c.want)
			}
			if err := hub.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
