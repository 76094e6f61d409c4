package catalog

import (
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// phpfpm runs PHP for web servers.
var phpfpm = ServiceType{
	Name: "phpfpm", Aliases: []string{"php-fpm"}, Package: "php", User: "www-data",
	Doc: "PHP-FPM, which runs PHP for web servers.",
	rows: []row{
		{"listen", "port | string = phpfpm.sock", "Where to listen: a port of this machine alone, an address with a port, or the path of a socket, relative to dataDir."},
		{"settings", "attrs null string | int | float | bool", "Directives of the pool, such as \"pm.max_children\"."},
		{"extraConfig", "(attrs null string | int | float | bool) | lines = { }", "The same as settings, in the words of services-flake; or in those of NixOS, further lines of the pool."},
		{"phpPackage", "alias package"},
		{"globalSettings", "attrs null string | int | float | bool", "Directives of the section global."},
		{"phpOptions", "lines", "Lines of php.ini, after those of the installed one."},
		{"phpEnv", "attrs string", "Environment variables of scripts, which get no others. A value such as \"$HOME\" is that variable of nix2gpu's own."},
	},
	table: &table{
		argv: []string{"{bin/php-fpm}", "--nodaemonize", "-p", "{data}", "-y", "{run/php-fpm.conf}"},
		env:  []string{"PHP_INI_SCAN_DIR=:{run/php.d}"}, // after the compiled-in folder
		dirs: []string{"{data} 0755", "{run/php.d}"},    // other users must reach the socket
		configs: []config{
			{path: "/php-fpm.conf", format: "ini", base: []entry{
				{"global/error_log", "/proc/self/fd/2"}, {"global/", whole("globalSettings")},
				{"@/pm", "ondemand"}, {"@/pm.max_children", 5}, {"@/catch_workers_output", "yes"}, {"@/decorate_workers_output", "no"},
				{"@/", whole("extraConfig")}, {"@/", whole("settings")}, {"@/env[", whole("phpEnv")},
			}},
			{path: "/php.d/zz-nix2gpu.ini", format: "=", tail: []string{"phpOptions"}},
		},
		test:   []string{"{bin/php-fpm}", "--test", "-p", "{data}", "-y", "{run/php-fpm.conf}"},
		ready:  ready{protocol: "fastcgi"},
		stop:   3, // SIGQUIT: requests are answered first
		finish: phpfpmListen,
	},
}

// phpfpmListen lets the pool listen. A port alone would listen on all addresses.
func phpfpmListen(in *tableInstance, main *project.Process) {
	at, path := in.Get("listen"), []string{"listen"}
	for _, option := range []string{"extraConfig", "settings"} {
		if own := in.Get(option); own.Kind() == module.KindAttrs && own.Has("listen") {
			at, path = own.Get("listen"), []string{option, "listen"}
		}
	}
	text := in.scalar(at)
	check := &project.ServerCheck{Protocol: "fastcgi"}
	if n, err := strconv.Atoi(text.String()); err == nil {
		if n == 0 {
			at.Errorf("listen must be a port from 1 on, an address with a port, or the path of a socket, not 0")
		}
		text = project.Lit("127.0.0.1:" + strconv.Itoa(n))
	}
	if host, port, ok := splitHostPort(text.String()); ok && at.Kind() != module.Missing {
		check.Host, check.Port = reachable(host), port
		in.Listen(port, host, path...)
	} else {
		if s, ok := text.Literal(); ok {
			if strings.HasPrefix(s, "unix:") {
				at.Errorf("listen must be the path of a socket without \"unix:\", not %q", s)
			}
			text = below(in.DataDir(), s)
		}
		check.Socket = text
	}
	main.Readiness = &project.Probe{Server: check}
	i := slices.IndexFunc(main.Files, func(f project.File) bool { return strings.HasSuffix(f.Path.String(), ".conf") })
	main.Files[i] = in.table.configs[0].file(in, entry{"@/listen", text})
	if c := in.Get("extraConfig"); c.Kind() == module.KindStr && c.String() != "" {
		b := &textBuilder{text: main.Files[i].Content}
		b.line("[%s]", in.Name)
		b.add(in.place.Text(c.Str()))
		b.endLine()
		main.Files[i].Content = b.text
	}
}

// phpQuote is a value between double quotes. A dollar alone is a variable without a name,
// and so the empty text, which PHP-FPM refuses otherwise.
func phpQuote(t project.Text) project.Text {
	if t.IsEmpty() {
		t = project.Lit("$")
	}
	return quoteText(t, `"`, `\"`, `\`, `\\`, "${", `$""{`)
}
