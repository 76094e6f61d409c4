package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/wheeltest"
)

// A Python program with its wheels, from the tests' own index: in an image it runs as a
// service by its bare name, root's shell finds it, and Debian's pip lists it.
func TestPythonImage(t *testing.T) {
	e := engine.Docker(t)
	server := `import http.server, greeter

def main():
    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(greeter.text().encode())
    http.server.HTTPServer(("127.0.0.1", 8080), Hello).serve_forever()
`
	wheels := []wheeltest.Wheel{
		{Name: "greeter-server", Version: "2.1", Metadata: []string{"Requires-Dist: greeter[polite]>=1.0"}, Scripts: []string{"greeter-server = greeter_server.cli:main"},
			Files: map[string]string{"greeter_server/__init__.py": "", "greeter_server/cli.py": server}},
		{Name: "greeter", Version: "1.0+local.1", Tag: "cp311-cp311-manylinux_2_17_x86_64", Metadata: []string{"Requires-Dist: manners; extra == 'polite'"},
			Files: map[string]string{"greeter.py": "import manners\n\ndef text():\n    return 'hello, ' + manners.WORD\n", "STEM.data/scripts/greet*": "#!python\nimport greeter\nprint(greeter.text())\n"}},
		{Name: "manners", Version: "3", Files: map[string]string{"manners.py": "WORD = 'please'\n"}},
	}
	var files []wheeltest.File
	for _, w := range wheels {
		files = append(files, wheeltest.Of(t, w))
	}
	x := wheeltest.Serve(t, files...)
	dir := filepath.Join(t.TempDir(), "greetings")
	for name, text := range map[string]string{
		"nix2gpu.nix": `{
  perSystem.nix2gpu."greetings" = {
    python.requirements = ./requirements.txt;
    systemPackages = [ pkgs.python3Packages.pip ];
    services.custom."web" = {
      enable = true;
      command = "greeter-server";
      readiness_probe.http_get = { port = 8080; path = "/"; };
    };
  };
}
`,
		"requirements.txt": "--index-url " + x.URL + "\n" +
			"greeter-server==2.1 --hash=sha256:" + wheeltest.SHA256(wheels[0].Bytes(t)) + "\n" +
			"greeter==1.0+local.1 --hash=sha256:" + wheeltest.SHA256(wheels[1].Bytes(t)) + "\n" +
			"manners==3 --hash=sha256:" + wheeltest.SHA256(wheels[2].Bytes(t)) + "\n",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(dir, "image.tar")
	_, stderr, err := built(t, dir, "-o", archive)
	if err != nil {
		t.Fatalf("build: %v\n%s", err, stderr)
	}
	if strings.Contains(stderr, "warning:") {
		t.Errorf("build warns:\n%s", stderr)
	}
	e.Load(archive)
	c := e.Container("greetings:latest")
	e.WaitLogs(c, "[nix2gpu] all services healthy")
	for _, check := range []struct{ command, want string }{
		{`python3 -c 'import urllib.request as r; print(r.urlopen("http://127.0.0.1:8080/").read().decode())'`, "hello, please"},
		{`python -c 'import greeter, importlib.metadata as m; print(m.version("greeter"), m.metadata("greeter-server")["Name"], [e.value for e in m.entry_points(group="console_scripts", name="greeter-server")])'`,
			"1.0+local.1 greeter-server ['greeter_server.cli:main']"},
		{"greet", "hello, please"},
		{"command -v greeter-server", "/usr/local/bin/greeter-server"},
		{"pip list --format=freeze --path /usr/local/lib/python3.11/dist-packages", "greeter==1.0+local.1\ngreeter-server==2.1\nmanners==3"},
		{"pip check", "No broken requirements found."},
		{"pip show -f greeter | grep -c '\\.\\./\\.\\./\\.\\./bin/greet$'", "1"},
		{`python3 -c 'import importlib.metadata as m; print(all(f.locate().exists() for d in ("greeter", "greeter-server", "manners") for f in m.files(d)))'`, "True"},
	} {
		out, errs, code := e.Exec("exec", c, "sh", "-c", check.command)
		if code != 0 || strings.TrimSpace(out) != check.want {
			t.Errorf("%s: exit code %d, %q, want %q\n%s", check.command, code, out, check.want, errs)
		}
	}
	if out := e.MustExec("history", "--no-trunc", "--format", "{{.Comment}}", "greetings:latest"); !strings.Contains(out, "Python: greeter-server, manners") {
		t.Errorf("history is\n%s", out)
	}
}
