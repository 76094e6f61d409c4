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
	word := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	for _, own := range foreignOptions() {
		if own.word != word {
			continue
		}
		if own.option == "" {
			return own.text
		}
		if _, has := typ.Schema().Options[own.option]; has {
			return fmt.Sprintf("here it is called %s", own.option+own.text)
		}
	}
	return ""
}

// A foreign word is an option of another tool: its name here, and how the value goes on
// after that, or a text alone.
type foreign struct{ word, option, text string }

// foreignOptions lists words of docker compose, systemd, supervisord and Kubernetes, in
// lower case and without "_" and "-".
func foreignOptions() []foreign {
	return []foreign{
		// docker compose
		{"envfile", "environmentFile", ""},
		{"healthcheck", "readiness_probe", `: { exec.command = "…"; } or { http_get = { port = …; }; }`},
		{"volumes", "", "services run beside each other, on this machine's files: name the folder, or dataDir; an image's volumes are given to the engine (-v)"},
		{"image", "", "a service is a program, not an image: name its package (packages, or package = pkgs.…); fromImage is the base of the whole container"},
		{"build", "", "a service is a program, not an image: \"nix2gpu build\" makes one image of the whole container"},
		{"entrypoint", "command", ""},
		{"containername", "", "the name of a service is its attribute: services.custom.\"NAME\""},
		{"expose", "ports", ", of a custom service; exposedPorts is the container's"},
		{"networks", "", "services share one network: they find each other at 127.0.0.1"},
		{"links", "depends_on", ""},
		{"deploy", "", "memory and CPUs are limits.memory and limits.cpus, GPUs are gpus"},
		{"memlimit", "limits", `.memory = "512M"`},
		{"memory", "limits", `.memory = "512M"`},
		{"cpus", "limits", ".cpus"},
		{"pidslimit", "limits", ".pids"},
		{"ulimits", "limits", `.ulimits: { nofile = 1024; core = 0; }`},
		{"capdrop", "capabilities", `: all that the service keeps; [ ] is none`},
		{"capadd", "capabilities", `: all that the service keeps, such as [ "net_admin" ]`},
		{"groupadd", "supplementaryGroups", ""},
		{"oomscoreadj", "oomScoreAdjust", ""},
		{"blkioconfig", "limits", `.io: { weight; readBandwidthMax."/srv" = "50M"; writeBandwidthMax; readIOPSMax; writeIOPSMax; }`},
		{"logging", "log", `: { maxFileSize = "10M"; maxFiles = 5; }`},
		{"stopsignal", "shutdown", `.signal`},
		{"stopgraceperiod", "shutdown", ".timeout_seconds"},
		{"env", "environment", ""},
		{"cwd", "working_dir", ""},
		{"dir", "working_dir", ""},
		{"cmd", "command", ""},
		{"args", "command", ", which takes a list as well"},
		{"labels", "", "labels are the image's: the container's option labels"},
		{"hostname", "", "services share the container's name"},
		{"runtime", "gpus", ""},
		// systemd
		{"execstart", "command", ""},
		{"execstop", "shutdown", ".command"},
		{"execstartpre", "", "write a service of its own that ends, and depends_on it with \"completed\""},
		{"prestart", "", "write a service of its own that ends, and depends_on it with \"completed\""},
		{"script", "command", ""},
		{"serviceconfig", "", "its parts are options of their own: command, working_dir, user, restart, environment, limits"},
		{"workingdirectory", "working_dir", ""},
		{"environmentfile", "environmentFile", ""},
		{"restartsec", "restart_delay", ` = "5s"`},
		{"startlimitburst", "max_restarts", ""},
		{"timeoutstopsec", "shutdown", ".timeout_seconds"},
		{"killsignal", "shutdown", ".signal"},
		{"limitnofile", "limits", ".nofile"},
		{"logratelimitburst", "log", ".rateLimit.lines, a second"},
		{"logratelimitintervalsec", "log", ".rateLimit.interval"},
		{"memorymax", "limits", ".memory"},
		{"cpuquota", "limits", ".cpus = 1.5"},
		{"ambientcapabilities", "capabilities", ""},
		{"capabilityboundingset", "capabilities", ""},
		{"limitcore", "limits", ".ulimits.core"},
		{"limitmemlock", "limits", `.ulimits.memlock = "infinity"`},
		{"limitnproc", "limits", ".ulimits.nproc"},
		{"limitstack", "limits", ".ulimits.stack"},
		{"limitrtprio", "limits", ".ulimits.rtprio"},
		{"tasksmax", "limits", ".pids"},
		{"ioweight", "limits", ".io.weight"},

		{"ioreadbandwidthmax", "limits", `.io.readBandwidthMax."/srv" = "50M"`},
		{"iowritebandwidthmax", "limits", `.io.writeBandwidthMax."/srv" = "50M"`},
		{"ioreadiopsmax", "limits", `.io.readIOPSMax."/srv" = 1000`},
		{"iowriteiopsmax", "limits", `.io.writeIOPSMax."/srv" = 1000`},
		{"wantedby", "enable", ": what is enabled is started"},
		{"after", "depends_on", ` = { NAME = "ready"; }`},
		{"requires", "depends_on", ` = { NAME = "ready"; }`},
		{"wants", "depends_on", ` = { NAME = "started"; }`},
		{"path", "packages", ", of a custom service"},
		{"type", "", "a service that ends has restart = \"no\"; one that says when it is ready has readiness_probe.notify = true"},
		{"loadcredential", "credentials", ""},
		{"group", "user", ", whose groups it gets"},
		// supervisord, Kubernetes
		{"autostart", "enable", ""},
		{"autorestart", "restart", ` = "always"`},
		{"directory", "working_dir", ""},
		{"livenessprobe", "liveness_probe", ""},
		{"readinessprobe", "readiness_probe", ""},
		{"startupprobe", "startup_probe", ""},
		{"resources", "limits", ""},
	}
}
