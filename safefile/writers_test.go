package safefile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWriters looks at files as root and as a user would. Only root can make those of
// others.
func TestWriters(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const alice, bob, staff = 4001, 4002, 4050
	for name, c := range map[string]struct {
		mode, folder         os.FileMode
		uid, gid, dir, group int
		us                   int
		owners               []int
		want                 string
	}{
		"ours":                                {mode: 0o644, folder: 0o755},
		"of our group, root's":                {mode: 0o664, folder: 0o775},
		"every user":                          {mode: 0o646, folder: 0o755, want: "every user may write to it (mode 0646)"},
		"every user, as a user":               {mode: 0o646, folder: 0o755, uid: alice, us: alice, want: "every user may write to it (mode 0646)"},
		"every user in its folder":            {mode: 0o644, folder: 0o777, want: "every user may write to it (mode 0777)"},
		"a sticky folder":                     {mode: 0o644, folder: 0o777 | os.ModeSticky},
		"another's file in a sticky folder":   {mode: 0o644, folder: 0o777 | os.ModeSticky, uid: bob, us: alice, want: "every user may write to it (mode 1777)"},
		"a group":                             {mode: 0o664, folder: 0o755, gid: staff, want: "its group, 4050, may write to it (mode 0664)"},
		"a group in its folder":               {mode: 0o644, folder: 0o775, group: staff, want: "its group, 4050, may write to it (mode 0775)"},
		"a group of one":                      {mode: 0o664, folder: 0o775, uid: alice, gid: alice, dir: alice, group: alice, owners: []int{alice}},
		"a group, as a user":                  {mode: 0o664, folder: 0o775, uid: alice, gid: staff, us: alice},
		"another's":                           {mode: 0o644, folder: 0o755, uid: bob, owners: []int{alice}, want: "it belongs to user 4002"},
		"another's, as a user":                {mode: 0o644, folder: 0o755, uid: bob, us: alice},
		"in another's folder":                 {mode: 0o644, folder: 0o755, dir: bob, want: "it belongs to user 4002"},
		"in another's sticky folder":          {mode: 0o644, folder: 0o755 | os.ModeSticky, dir: bob, want: "it belongs to user 4002"},
		"in another's folder, as a user":      {mode: 0o644, folder: 0o755, dir: bob, uid: alice, us: alice},
		"of whom our namespace does not know": {mode: 0o644, folder: 0o755, uid: nobodyKnown},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "in")
			file := filepath.Join(dir, "nix2gpu.nix")
			for _, err := range []error{
				os.Mkdir(dir, 0o700), os.WriteFile(file, nil, 0o600), os.Chown(file, c.uid, c.gid), os.Chmod(file, c.mode),
				os.Chown(dir, c.dir, c.group), os.Chmod(dir, c.folder),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			if e := writers(file, c.us, c.owners); e != nil {
				if got = e.Why; e.Hint == "" || e.Path != file && e.Path != dir {
					t.Errorf("%q of %q has hint %q", e.Why, e.Path, e.Hint)
				}
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestWritersFollowsALink: the folder that the file is in counts, and the link's.
func TestWritersFollowsALink(t *testing.T) {
	dir := t.TempDir()
	open, tight := filepath.Join(dir, "open"), filepath.Join(dir, "tight")
	for path, mode := range map[string]os.FileMode{open: 0o777, tight: 0o755} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "real.nix"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{tight: open, open: tight} {
		path := filepath.Join(link, "link.nix")
		if err := os.Symlink(filepath.Join(to, "real.nix"), path); err != nil {
			t.Fatal(err)
		}
		if e, ok := Writers(path).(*Error); !ok || e.Path != open {
			t.Errorf("%s: %v, want the folder that all may write to", path, e)
		}
	}
	if err := Writers(filepath.Join(tight, "real.nix")); err != nil {
		t.Error(err)
	}
	if err := Writers(os.DevNull); err != nil {
		t.Errorf("no regular file: %v", err)
	}
}
