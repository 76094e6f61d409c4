package wheel_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/wheel"
)

func reader(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	}
}

const (
	hashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// A file as pip-compile writes it, with another that it includes.
func TestParse(t *testing.T) {
	files := map[string]string{
		"req/requirements.txt": "\ufeff# by pip-compile\n--index-url https://${USER}:${PASS}@pkg.example.org/simple\r\n--extra-index-url=https://more.example.org/simple\n\n" +
			"Flask==3.0.2 \\\n    --hash=sha256:" + hashA + " \\\n    --hash sha256:" + strings.ToUpper(hashB) + "\n    # via -r in.txt\n" +
			"uvicorn[standard]==0.30.1 ; python_version >= \"3.8\" and \\\n  sys_platform == 'linux' --hash=sha256:" + hashA + "  # remark\n" +
			"old==1 ; python_version < '3'\n-r more.txt\n--require-hashes\n--only-binary=:all:\n-f ../wheels\nloose>=2",
		"req/more.txt": "click==8.1.7\n-r ../top.txt\n",
		"top.txt":      "top_level==1\n",
	}
	r, wrong := wheel.Parse("req/requirements.txt", reader(files))
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	target := wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"}
	var got []string
	for _, l := range r.Active(target) {
		got = append(got, l.Pos.String()+" "+l.String()+" "+strings.Join(l.Hashes, ","))
	}
	want := []string{
		"req/requirements.txt:5:1 flask==3.0.2 " + hashA + "," + hashB,
		"req/requirements.txt:9:1 uvicorn[standard]==0.30.1 " + hashA,
		"req/more.txt:1:1 click==8.1.7 ",
		"top.txt:1:1 top-level==1 ",
		"req/requirements.txt:16:1 loose>=2 ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Index != "https://${USER}:${PASS}@pkg.example.org/simple" || len(r.Extra) != 1 || strings.Join(r.Folders, " ") != "wheels" {
		t.Errorf("indexes are %q, %q, %q", r.Index, r.Extra, r.Folders)
	}
}

// What an image cannot have is refused with its place and a cure, all lines of the file
// at once.
func TestRefused(t *testing.T) {
	data, err := os.ReadFile("testdata/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, wrong := wheel.Parse("refused.txt", reader(map[string]string{
		"refused.txt": string(data), "circle.txt": "-r refused.txt\n",
	}))
	testkit.Golden(t, filepath.Join("testdata", "refused.golden"), []byte(wrong.Error()+"\n"))
	lines := map[int]bool{}
	for _, e := range wrong {
		lines[e.Pos.Line] = lines[e.Pos.Line] || e.Pos.File == "refused.txt"
	}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if wanted := !strings.HasPrefix(line, "ok"); wanted != lines[i+1] && !strings.HasPrefix(line, "-r circle") {
			t.Errorf("line %d, %q: refused: %t", i+1, line, lines[i+1])
		}
	}
}

// A project that appears twice is an error where both lines apply.
func TestTwice(t *testing.T) {
	r, wrong := wheel.Parse("r.txt", reader(map[string]string{"r.txt": "a==1; python_version < '3.10'\na==2; python_version >= '3.10'\nB==1\nb==1\n"}))
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	twice := r.Twice(wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"})
	if len(twice) != 1 || twice[0].Pos.Line != 4 || !strings.Contains(twice[0].Msg, "r.txt:3:1") {
		t.Errorf("twice: %v", twice)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a==1 \\\n --hash=sha256:" + hashA + "\n-r b # c\n--index-url x\nx[y]>=1;python_version<'3'\n")
	f.Add("\\\n\\\n-")
	f.Add("((((")
	f.Fuzz(func(t *testing.T, text string) {
		r, wrong := wheel.Parse("f", reader(map[string]string{"f": text}))
		lines := strings.Count(text, "\n") + 1
		for _, e := range wrong {
			if e.Pos.File == "f" && (e.Pos.Line < 1 || e.Pos.Line > lines || e.Pos.Col < 1) {
				t.Errorf("%q: %v has no place", text, e)
			}
		}
		for _, l := range r.Lines {
			again, err := wheel.ParseRequirement(l.String())
			if err != nil || again.String() != l.String() {
				t.Errorf("%q is read as %v, %v", l.String(), again, err)
			}
		}
	})
}

func FuzzFilename(f *testing.F) {
	f.Add("Flask-3.0.2-py3-none-any.whl")
	f.Add("a-1-2b-cp311.cp312-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
	f.Fuzz(func(t *testing.T, name string) {
		w, err := wheel.ParseFilename(name)
		if err == nil && (w.Name == "" || len(w.Tags) == 0 || strings.ContainsAny(name, "/\\")) {
			t.Errorf("%q is %+v", name, w)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add("Name: a\nVersion: 1\nRequires-Dist: b>=1; extra == 'x'\n c\n\ntext")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := wheel.ParseMetadata([]byte(text)); err == nil {
			m.Needs(wheel.Target{Python: "3.11.2", Arch: "amd64", Glibc: "2.36"}, []string{"x"})
		}
		wheel.ParseEntryPoints([]byte(text))
		wheel.ParseLayout([]byte(text))
	})
}
