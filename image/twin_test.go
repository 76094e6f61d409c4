package image_test

import (
	"crypto/md5"
	"fmt"
	"strings"
	"testing"

	"nix2gpu/internal/debtest"
)

// A program that its package has twice is there once, under both names. What only
// says that it is the same is another file, and so is what has another mode.
func TestTwins(t *testing.T) {
	check := strings.Repeat("check", 1000)
	entries := []debtest.Entry{
		debtest.Exec("usr/bin/check-a", check), debtest.Exec("usr/bin/check-b", check), debtest.File("usr/bin/check-c", check),
		debtest.Exec("usr/bin/liar", "another"), debtest.Exec("usr/lib/tools/check", check),
	}
	sums := ""
	for _, e := range entries {
		sums += fmt.Sprintf("%x  %s\n", md5.Sum([]byte(check)), e.Name)
	}
	s := spec(t, shop())
	s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "tools", Arch: "amd64", Entries: entries, Scripts: map[string]string{"md5sums": sums}}))
	shown, content := root(t, build(t, s))
	for name, want := range map[string]string{
		"usr/bin/check-a": "0 0755 0:0 ", "usr/bin/check-b": "1 0755 0:0 usr/bin/check-a", "usr/bin/check-c": "0 0644 0:0 ", "usr/bin/liar": "0 0755 0:0 ", "usr/lib/tools/check": "0 0755 0:0 ",
	} {
		if shown[name] != want {
			t.Errorf("%s is %q, want %q", name, shown[name], want)
		}
	}
	if content["usr/bin/check-a"] != check || content["usr/bin/check-c"] != check || content["usr/bin/liar"] != "another" {
		t.Error("a program is not what it was")
	}
}
