package compose_test

import (
	"strings"
	"testing"
)

// A line may be as long as a file, and have as many variables as fit: each is looked at once.
func TestLongLineOfVariables(t *testing.T) {
	const n = 400_000
	src := "processes: { a: { command: x, description: '" + strings.Repeat("${A}", n) + "' } }\n"
	if got := loadWire(t, src).Services["a"].Description; got != "" {
		t.Errorf("it is %d bytes long", len(got))
	}
}

// Private characters that stand for no sign are left, such as the icons of a font.
func TestOtherPrivateCharacters(t *testing.T) {
	src := "processes: { a: { command: x, description: ${A:-{\ue000, b}} } }\n"
	if got := loadWire(t, src).Services["a"].Description; got != "{\ue000, b}" {
		t.Errorf("got %q", got)
	}
}
