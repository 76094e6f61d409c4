package definition

import (
	"fmt"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
)

// pkgsHint is the hint for a module outside of perSystem that uses pkgs: there is no
// system yet, and so no packages.
const pkgsHint = "pkgs is an argument of perSystem: perSystem = { pkgs, ... }: { … };"

// mustBe returns the message for a value of the wrong type. It names only the last part
// of the option, since the message has a position.
func mustBe(e *module.Error) string {
	name := ""
	if n := len(e.Path); n > 0 {
		name = e.Path[n-1]
		if strings.HasPrefix(name, "[") { // an element of a list
			name = "an element"
			if n > 1 {
				name += " of " + e.Path[n-2]
			}
		}
	}
	return fmt.Sprintf("%s must be %s, not %s", name, e.Wants, e.Got)
}

// cureOf returns how to write what was meant by a value of the wrong type, for options
// that other tools write in another form; else "".
func cureOf(e *module.Error) string {
	if len(e.Path) == 0 {
		return ""
	}
	switch last := e.Path[len(e.Path)-1]; {
	case last == "restart" && e.Got == "false":
		return `write "no"`
	case last == "restart" && e.Got == "true":
		return `write "always"`
	case last == "memory" && (e.Got == "true" || e.Got == "false"):
		return `write a size, such as "512M"`
	case last == "depends_on":
		if names := quotedIn(e.Got); len(names) > 0 {
			var b strings.Builder
			b.WriteString("write {")
			for _, name := range names {
				fmt.Fprintf(&b, " %s = \"ready\";", name)
			}
			return b.String() + " }"
		}
	}
	return ""
}

// quotedIn returns the texts in double quotes in the source of a value.
func quotedIn(source string) (texts []string) {
	parts := strings.Split(source, `"`)
	for i := 1; i < len(parts)-1; i += 2 {
		texts = append(texts, parts[i])
	}
	return texts
}

// foreignOption says what an unknown option of a service, which other tools have, is
// called here; "" if no other tool has it either.
func foreignOption(path []string) string {
	i := slices.Index(path, "services")
	if i < 0 || len(path) != i+4 {
		return ""
	}
	typ, ok := catalog.Find(path[i+1])
	if !ok {
		return ""
	}
	name := path[len(path)-1]
	own := foreignOptions()[strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))]
	if own.text != "" {
		return own.text
	}
	if _, has := typ.Schema().Options[own.option]; own.option == "" || !has {
		return ""
	}
	return fmt.Sprintf("here it is called %s", own.option+own.form)
}

// A foreign word is an option of another tool: its name here, followed by the form of
// its value, or a text instead of both.
type foreign struct{ option, form, text string }

// foreignOptions lists words of docker compose, systemd, supervisord and Kubernetes, in
// lower case and without "_" and "-".
func foreignOptions() map[string]foreign {
	is := func(option, form string) foreign { return foreign{option: option, form: form} }
	say := func(text string) foreign { return foreign{text: text} }
	return map[string]foreign{
		// docker compose
		"envfile":         is("environmentFile", ""),
		"healthcheck":     is("readiness_probe", `: { exec.command = "…"; } or { http_get = { port = …; }; }`),
		"volumes":         say("services run beside each other, on this machine's files: name the folder, or dataDir; an image's volumes are given to the engine (-v)"),
		"image":           say("a service is a program, not an image: name its package (packages, or package = pkgs.…); fromImage is the base of the whole container"),
		"build":           say("a service is a program, not an image: \"nix2gpu build\" makes one image of the whole container"),
		"entrypoint":      is("command", ""),
		"containername":   say("the name of a service is its attribute: services.custom.\"NAME\""),
		"expose":          is("ports", ", of a custom service; exposedPorts is the container's"),
		"networks":        say("services share one network: they find each other at 127.0.0.1"),
		"links":           is("depends_on", ""),
		"deploy":          say("memory and CPUs are limits.memory and limits.cpus, GPUs are gpus"),
		"memlimit":        is("limits", `.memory = "512M"`),
		"memory":          is("limits", `.memory = "512M"`),
		"cpus":            is("limits", ".cpus"),
		"pidslimit":       is("limits", ".pids"),
		"ulimits":         is("limits", `.ulimits: { nofile = 1024; core = 0; }`),
		"capdrop":         is("capabilities", `: all that the service keeps; [ ] is none`),
		"capadd":          is("capabilities", `: all that the service keeps, such as [ "net_admin" ]`),
		"groupadd":        is("supplementaryGroups", ""),
		"oomscoreadj":     is("oomScoreAdjust", ""),
		"blkioconfig":     is("limits", `.io: { weight; readBandwidthMax."/srv" = "50M"; writeBandwidthMax; readIOPSMax; writeIOPSMax; }`),
		"logging":         is("log", `: { maxFileSize = "10M"; maxFiles = 5; }`),
		"stopsignal":      is("shutdown", `.signal`),
		"stopgraceperiod": is("shutdown", ".timeout_seconds"),
		"env":             is("environment", ""),
		"cwd":             is("working_dir", ""),
		"dir":             is("working_dir", ""),
		"cmd":             is("command", ""),
		"args":            is("command", ", which takes a list as well"),
		"labels":          say("labels are the image's: the container's option labels"),
		"hostname":        say("services share the container's name"),
		"runtime":         is("gpus", ""),
		// systemd
		"execstart":               is("command", ""),
		"execstop":                is("shutdown", ".command"),
		"execstartpre":            say("write a service of its own that ends, and depends_on it with \"completed\""),
		"prestart":                say("write a service of its own that ends, and depends_on it with \"completed\""),
		"script":                  is("command", ""),
		"serviceconfig":           say("its parts are options of their own: command, working_dir, user, restart, environment, limits"),
		"workingdirectory":        is("working_dir", ""),
		"environmentfile":         is("environmentFile", ""),
		"restartsec":              is("restart_delay", ` = "5s"`),
		"startlimitburst":         is("max_restarts", ""),
		"timeoutstopsec":          is("shutdown", ".timeout_seconds"),
		"killsignal":              is("shutdown", ".signal"),
		"limitnofile":             is("limits", ".nofile"),
		"logratelimitburst":       is("log", ".rateLimit.lines, a second"),
		"logratelimitintervalsec": is("log", ".rateLimit.interval"),
		"memorymax":               is("limits", ".memory"),
		"cpuquota":                is("limits", ".cpus = 1.5"),
		"ambientcapabilities":     is("capabilities", ""),
		"capabilityboundingset":   is("capabilities", ""),
		"limitcore":               is("limits", ".ulimits.core"),
		"limitmemlock":            is("limits", `.ulimits.memlock = "infinity"`),
		"limitnproc":              is("limits", ".ulimits.nproc"),
		"limitstack":              is("limits", ".ulimits.stack"),
		"limitrtprio":             is("limits", ".ulimits.rtprio"),
		"tasksmax":                is("limits", ".pids"),
		"ioweight":                is("limits", ".io.weight"),

		"ioreadbandwidthmax":  is("limits", `.io.readBandwidthMax."/srv" = "50M"`),
		"iowritebandwidthmax": is("limits", `.io.writeBandwidthMax."/srv" = "50M"`),
		"ioreadiopsmax":       is("limits", `.io.readIOPSMax."/srv" = 1000`),
		"iowriteiopsmax":      is("limits", `.io.writeIOPSMax."/srv" = 1000`),
		"wantedby":            is("enable", ": what is enabled is started"),
		"after":               is("depends_on", ` = { NAME = "ready"; }`),
		"requires":            is("depends_on", ` = { NAME = "ready"; }`),
		"wants":               is("depends_on", ` = { NAME = "started"; }`),
		"path":                is("packages", ", of a custom service"),
		"type":                say("a service that ends has restart = \"no\"; one that says when it is ready has readiness_probe.notify = true"),
		"loadcredential":      is("credentials", ""),
		"group":               is("user", ", whose groups it gets"),
		// supervisord, Kubernetes
		"autostart":      is("enable", ""),
		"autorestart":    is("restart", ` = "always"`),
		"directory":      is("working_dir", ""),
		"livenessprobe":  is("liveness_probe", ""),
		"readinessprobe": is("readiness_probe", ""),
		"startupprobe":   is("startup_probe", ""),
		"resources":      is("limits", ""),
	}
}
