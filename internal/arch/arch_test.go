package arch

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "nix2gpu"

// mayImport is the import law: for each package, what it may import of ours.
// A trailing "/..." covers everything below. A package that is not listed is
// an error, so that a new room is thought about.
var mayImport = map[string][]string{
	"console":          {},
	"cells":            {},
	"cron":             {},
	"glob":             {},
	"filewatch":        {"glob"},
	"project":          {"cron", "glob"},
	"spelling":         {},
	"safefile":         {},
	"dotenv":           {},
	"debian":           {},
	"cache":            {"safefile"},
	"lock":             {"debian", "debian/repo", "download", "packages", "project", "safefile", "wheel"},
	"download":         {"cache", "safefile"},
	"debian/repo":      {"cache", "debian", "download"},
	"safeyaml":         {},
	"process":          {"safefile", "project"}, // of project its words: Signal, Exit
	"servicelog":       {"cells", "safefile"},
	"logcopy":          {"project", "safefile", "servicelog"}, // of servicelog its word: Stream
	"rundir":           {"safefile", "secret"},
	"control":          {"project"}, // its words
	"nix/syntax":       {},
	"nix/lib":          {},
	"nix/store":        {},
	"nix/flakeref":     {},
	"nix/eval":         {"nix/flakeref", "nix/syntax", "nix/store"},
	"nix/osfs":         {"nix/eval"},
	"nix/module":       {"nix/eval", "nix/syntax", "nix/lib"},
	"nix/flake":        {"nix/..."},
	"packages":         {"debian", "project"},
	"compose":          {"compose/template", "dotenv", "project", "safeyaml"},
	"compose/template": {},
	"catalog":          {"nix/module", "project"},
	"definition":       {"nix/...", "catalog", "packages", "project", "safeyaml", "wheel"},
	"probe":            {"gpu", "project", "process", "packages", "rundir"},
	"secret":           {"safefile"},
	"stage":            {"gpu", "dotenv", "project", "process", "packages", "rundir", "safefile", "secret"},
	"provision":        {"project", "process", "packages", "probe", "rundir", "safefile"},
	// Of control it has the types that travel: a service's status is one type from
	// the engine to whoever asks, and a refusal carries its code.
	"supervisor":       {"console", "cron", "gpu", "control", "logcopy", "project", "process", "probe", "servicelog", "stage", "safefile"},
	"control/client":   {"console", "control", "project", "rundir"},
	"control/server":   {"control", "supervisor", "servicelog", "project", "rundir"},
	"session":          {"console", "filewatch", "gpu", "logcopy", "project", "process", "packages", "rundir", "safefile", "stage", "servicelog", "supervisor", "control", "control/server"},
	"deploy":           {"project"},
	"image/source":     {},
	"image/deflate":    {},
	"image/registry":   {"image/source"},
	"image/daemon":     {"image/source"},
	"image/inspect":    {"debian", "image/source", "wheel"},
	"image/sbom":       {"debian", "wheel"},
	"container":        {"compose", "gpu", "project", "safefile"},
	"internal/cli":     {"..."},
	"internal/testkit": {"..."},
	"internal/debtest": {"debian/repo"},
	"internal/engine":  {"internal/debtest", "internal/testkit", "packages", "project"},
	"internal/guest":   {"internal/testkit"},
	"internal/gputest": {"gpu"},
	"gpu":              {"project"},
	"internal/arch":    {},
	"internal/faults":  {"..."},
	"internal/doctest": {},
	"cmd/nix2gpu":      {"internal/cli"},
	"debian/deb":       {},
	"image":            {"debian", "debian/deb", "image/deflate", "packages", "project", "safefile", "secret", "wheel", "wheel/archive"},
	"scripts/...":      {"internal/faults"},                    // programs that build and test this one; of the faults, their list
	"scripts/upstream": {"nix/eval", "nix/module", "nix/osfs"}, // no definition says what our lib gives
	"bench/...":        {},                                     // programs that measure this one beside others, from outside

	"wheel":              {"project"}, // of project its places and errors
	"wheel/archive":      {"wheel"},
	"wheel/index":        {"cache", "download", "wheel", "wheel/archive"},
	"internal/wheeltest": {"internal/debtest", "wheel"},
	"internal/messages":  {"control"}, // its table of exit codes
}

// neverImport bans packages of the standard library (and os/exec above all:
// a second waiter in the supervising process steals exit statuses).
var neverImport = map[string][]string{
	"nix/syntax":     {"os", "os/exec", "net/http"},
	"nix/eval":       {"os", "os/exec", "net/http"},
	"nix/store":      {"os", "os/exec", "net/http"},
	"spelling":       {"os", "net"},
	"debian":         {"os", "os/exec", "net", "net/http", "time"},
	"console":        {"os", "os/exec", "net", "net/http"},
	"cron":           {"os", "os/exec", "net", "net/http"},
	"project":        {"os", "os/exec", "net", "net/http", "io/ioutil", "path/filepath"},
	"catalog":        {"os", "os/exec", "net/http"},
	"supervisor":     {"os/exec", "net/http"},
	"process":        {"os/exec"},
	"probe":          {"os/exec"},
	"servicelog":     {"os/exec"},
	"logcopy":        {"os/exec", "net", "net/http"},
	"stage":          {"os/exec"},
	"control":        {"os/exec"},
	"control/client": {"os/exec"},
	"control/server": {"os/exec"},
	"rundir":         {"os/exec"},
	"session":        {"os/exec"},
	"secret":         {"os/exec", "net", "net/http"},
	"safefile":       {"os/exec"},
	"debian/deb":     {"os", "os/exec", "net/http"},
	"wheel":          {"os", "os/exec", "net", "net/http", "time"},
	"wheel/archive":  {"os", "os/exec", "net", "net/http", "time"},
	"image":          {"os/exec", "net/http"},
	"image/deflate":  {"os", "net"},
	"gpu":            {"os/exec", "net", "net/http"},
}

func TestImportLaw(t *testing.T) {
	for _, f := range sources(t) {
		if f.test {
			continue // tests may look further; the law is about what ships
		}
		allowed, known := lawFor(f.pkg)
		if !known {
			t.Errorf("%s: package %q is not in the import law: add it with what it may import", f.path, f.pkg)
			continue
		}
		for _, imp := range f.imports {
			if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
				if !matches(allowed, ours) {
					t.Errorf("%s imports %s: %s may import of ours only %v", f.path, ours, f.pkg, allowed)
				}
				continue
			}
			for _, banned := range neverImport[f.pkg] {
				if imp == banned {
					t.Errorf("%s imports %s: package %s must not", f.path, imp, f.pkg)
				}
			}
		}
	}
}

// TestOnlyProcessForks bans the symbols that make, end or wait for processes
// everywhere but in package process.
func TestOnlyProcessForks(t *testing.T) {
	banned := map[string]bool{
		"ForkExec": true, "StartProcess": true, "Wait4": true, "Waitid": true, "Kill": true,
		"PidfdOpen": true, "PidfdSendSignal": true, "Tgkill": true,
	}
	for _, f := range sources(t) {
		if f.test || f.pkg == "process" || f.pkg == "internal/testkit" || strings.HasPrefix(f.pkg, "bench/") { // the raw floor of bench is a supervisor of its own
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !banned[sel.Sel.Name] {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "syscall" || x.Name == "unix" || x.Name == "os") {
				t.Errorf("%s: %s.%s: only package process makes, signals and reaps processes", f.pos(sel), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestNoExitBelowMain keeps os.Exit and log.Fatal in cmd/, so that deferred
// clean-up always runs.
func TestNoExitBelowMain(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.pkg, "cmd/") || strings.HasPrefix(f.pkg, "scripts/") || strings.HasPrefix(f.pkg, "bench/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && (x.Name == "os" && sel.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(sel.Sel.Name, "Fatal")) {
				t.Errorf("%s: %s.%s outside cmd/: return an error", f.pos(sel), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestNoInit forbids init functions: wiring is explicit.
func TestNoInit(t *testing.T) {
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init function: wire explicitly", f.pos(fn))
			}
		}
	}
}

// TestNothingIsCompiledAtStart wants regular expressions made when they are first
// asked for: each start of the program would pay for those of all rooms.
func TestNothingIsCompiledAtStart(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.pkg, "internal/") && f.pkg != "internal/cli" {
			continue
		}
		for _, d := range f.ast.Decls {
			if _, ok := d.(*ast.FuncDecl); ok {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncLit:
					return false // called later, as that of a sync.OnceValue is
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "regexp" && n.Sel.Name == "MustCompile" {
						t.Errorf("%s: made at every start: use sync.OnceValue", f.pos(n))
					}
				}
				return true
			})
		}
	}
}

// TestFileLength keeps files readable.
func TestFileLength(t *testing.T) {
	const limit = 800
	for _, f := range sources(t) {
		if f.lines > limit {
			t.Errorf("%s has %d lines, above %d: is there a room to divide?", f.path, f.lines, limit)
		}
	}
}

// TestPackagesAreDocumented wants a package comment in every package.
func TestPackagesAreDocumented(t *testing.T) {
	documented, all := map[string]bool{}, map[string]string{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		all[f.pkg] = f.path
		if f.ast.Doc != nil {
			documented[f.pkg] = true
		}
	}
	for pkg, path := range all {
		if !documented[pkg] {
			t.Errorf("package %s has no package comment (doc.go), e.g. %s", pkg, path)
		}
	}
}

// TestNames forbids package names that say nothing.
func TestNames(t *testing.T) {
	nothing := regexp.MustCompile(`(^|/)(util|utils|common|types|helpers|pkg|src|global|data)(/|$)`)
	for _, f := range sources(t) {
		if nothing.MatchString(f.pkg) {
			t.Errorf("%s: package %q: name it after what it holds", f.path, f.pkg)
		}
	}
}

func lawFor(pkg string) ([]string, bool) {
	if allowed, ok := mayImport[pkg]; ok {
		return allowed, true
	}
	for key, allowed := range mayImport {
		if prefix, ok := strings.CutSuffix(key, "/..."); ok && strings.HasPrefix(pkg, prefix+"/") {
			return allowed, true
		}
	}
	return nil, false
}

func matches(allowed []string, pkg string) bool {
	if pkg == "spelling" {
		return true // words alone: both wings ask what was meant
	}
	for _, a := range allowed {
		prefix, wild := strings.CutSuffix(a, "...")
		if a == pkg || wild && strings.HasPrefix(pkg, prefix) {
			return true
		}
	}
	return false
}

// A source is one Go file of the tree.
type source struct {
	path, pkg string
	test      bool
	lines     int
	imports   []string
	ast       *ast.File
	fset      *token.FileSet
}

func (s source) pos(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", s.path, p.Line)
}

// sources reads every Go file below the root, but for testdata: those are
// programs of their own. The package examples holds tests alone.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	var found []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil // what another program made here is gone meanwhile
		} else if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case name == "testdata", name == "node_modules", name == "bin":
				return filepath.SkipDir
			case path != root && strings.HasPrefix(name, "."):
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		s := source{
			path: rel, pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(path, "_test.go"),
			lines: fset.File(parsed.Pos()).LineCount(), ast: parsed, fset: fset,
		}
		for _, imp := range parsed.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		found = append(found, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("found only %d Go files below %s: the law is not being checked", len(found), root)
	}
	return found
}
