package stage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/project"
	"nix2gpu/secret"
)

// What a secret holds becomes part of a file of the process, escaped, without
// the line end; and of nothing that others see.
func TestSecretsBecomePartOfAFile(t *testing.T) {
	for _, c := range []struct{ name, content, escape, want, err string }{
		{"as it is", "p\"w\n", "", `a p"w b`, ""},
		{"escaped", "p\"w\\\n", `"\`, `a p\"w\\ b`, ""},
		{"windows line end", "pw\r\n", "", "a pw b", ""},
		{"no line end", "pw", `"`, "a pw b", ""},
		{"several lines", "one\ntwo\n", "", "a one\ntwo b", ""},
		{"several lines where one is meant", "one\nrename-command FLUSHALL x\n", `"`, "", "must not contain a line end"},
		{"empty", "\n", "", "", "is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			if err := os.WriteFile(filepath.Join(s.at.Root, "pass"), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			p := &project.Project{Secrets: map[string]project.Secret{"db/pass": {File: project.RootPath("/pass")}}}
			out := filepath.Join(s.at.Run, "x.conf")
			_, err := s.Prepare(p, &project.Process{
				Command: project.Command{Exec: []project.Text{project.Lit("/bin/true")}},
				Files: []project.File{{Path: project.RunPath("/x.conf"), Mode: "0600", Escape: c.escape,
					Content: text(t, "a ", project.SecretContent("db/pass"), " b")}},
			})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(out); string(got) != c.want {
				t.Errorf("the file holds %q, want %q", got, c.want)
			}
		})
	}
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	s := newStage(t)
	if err := os.Mkdir(filepath.Join(s.at.Root, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"/none": "hint: make it", "/dir": "not a plain file"} {
		p := &project.Project{Secrets: map[string]project.Secret{"s": {File: project.RootPath(file)}}}
		if _, err := s.Resolve(p, project.SecretContent("s")); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), s.at.Root) {
			t.Errorf("%s: got %v, want %q with the path", file, err, want)
		}
	}
	if _, err := s.Resolve(&project.Project{}, project.SecretPath("../x")); err == nil || !strings.Contains(err.Error(), "plain name") {
		t.Errorf("a secret that leaves its folder: %v", err)
	}
}

// A file of the user's is lent as a link where the process's user may read it,
// and as a copy of that user's where not.
func TestLentFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can lend what another user may not read")
	}
	s := newStage(t)
	for dir := s.at.Root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.search = false // as on a machine where the capability is lacking
	source, lent := filepath.Join(s.at.Root, "key.pem"), filepath.Join(s.at.Run, "a", "key.pem")
	prepare := func() error {
		_, err := s.Prepare(&project.Project{}, &project.Process{User: "65534",
			Command: project.Command{Exec: []project.Text{project.Lit("/bin/true")}},
			Files:   []project.File{{Path: project.RunPath("/a/key.pem"), Source: project.RootPath("/key.pem"), Mode: "0400"}}})
		return err
	}
	if err := prepare(); err == nil || !strings.Contains(err.Error(), "hint: make it") {
		t.Fatalf("without the file: %v", err)
	}
	// One after the other, each over what the one before has left.
	for i, mode := range []os.FileMode{0o600, 0o644, 0o644, 0o600} {
		content := strings.Repeat("k", i+1)
		if err := os.WriteFile(source, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(source, mode); err != nil {
			t.Fatal(err)
		}
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		if target, _ := os.Readlink(lent); (target == source) != (mode == 0o644) {
			t.Errorf("run %d: a link to %q for an original with mode %o", i, target, mode)
		} else if info, err := os.Stat(lent); err != nil || target != source && (info.Mode().Perm() != 0o400 || ownerOf(info) != 65534 || !secret.InMemory(filepath.Dir(target))) {
			t.Errorf("run %d: the copy has mode %v and owner %d", i, info.Mode(), ownerOf(info))
		}
		if got, _ := os.ReadFile(lent); string(got) != content {
			t.Errorf("run %d: %q is lent, want %q", i, got, content)
		}
	}
}
