package safefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNew(t *testing.T) {
	for how, create := range map[string]func(string) (*New, error){"nameless": Create, "named": createNamed} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			names := func() string {
				t.Helper()
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				var list []string
				for _, e := range entries {
					list = append(list, e.Name())
				}
				return strings.Join(list, " ")
			}
			file := filepath.Join(dir, "file")
			for i, text := range []string{"one", "another"} { // the second replaces the first
				f, err := create(dir)
				if err != nil {
					t.Fatal(err)
				}
				if f.nameless && names() != []string{"", "file"}[i] {
					t.Errorf("while it is written there is %q", names())
				}
				if _, err := f.WriteString(text); err != nil {
					t.Fatal(err)
				}
				if err := f.Publish(file, 0o640); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				if err := f.Publish(file, 0o640); err == nil {
					t.Error("it is published twice")
				}
				data, err := os.ReadFile(file)
				info, _ := os.Stat(file)
				if err != nil || string(data) != text || info.Mode() != 0o640 || names() != "file" {
					t.Errorf("%q, %v, %v, beside %q", data, err, info.Mode(), names())
				}
			}
			// A device or a pipe is not replaced, neither by a link to it.
			pipe, away := filepath.Join(t.TempDir(), "pipe"), filepath.Join(t.TempDir(), "link")
			if err := errors.Join(unix.Mkfifo(pipe, 0o600), os.Symlink(pipe, away)); err != nil {
				t.Fatal(err)
			}
			// Nor is a name that stands for an open file.
			target, err := os.Create(filepath.Join(t.TempDir(), "target"))
			if err != nil {
				t.Fatal(err)
			}
			defer target.Close()
			given, err := create(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := given.Publish(link(target), 0o600); !errors.Is(err, errNotAFile) {
				t.Errorf("the name of an open file: %v", err)
			}
			given.Close()
			for _, name := range []string{pipe, away} {
				f, err := create(filepath.Dir(name))
				if err != nil {
					t.Fatal(err)
				}
				err = f.Publish(name, 0o600)
				if info, _ := os.Stat(name); err == nil || info.Mode().Type() != os.ModeNamedPipe {
					t.Errorf("%s is replaced: %v", name, err)
				}
				f.Close()
			}
			// A file that is given up, or can't get its name, leaves nothing.
			f, err := create(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Publish(filepath.Join(dir, "no", "file"), 0o600); err == nil {
				t.Error("published into a folder that is not there")
			}
			if err := f.Close(); err != nil || names() != "file" {
				t.Errorf("%v, and there is %q", err, names())
			}
			if _, err := create(filepath.Join(dir, "no")); !os.IsNotExist(err) {
				t.Errorf("in no folder: %v", err)
			}
		})
	}
}

func TestIsStream(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "shop.dump"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, want := range map[string]bool{
		file.Name():                                false,
		file.Name() + ".new":                       false,
		filepath.Dir(file.Name()):                  false,
		os.DevNull:                                 true,
		fmt.Sprintf("/dev/fd/%d", file.Fd()):       true, // as /dev/stdout where the shell sends that to a file
		fmt.Sprintf("/proc/self/fd/%d", file.Fd()): true,
	} {
		if got := IsStream(name); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}
