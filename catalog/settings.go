package catalog

import (
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
	"nix2gpu/spelling"
)

func ulimitsOption() module.Option {
	return options([]row{
		{"ulimits", "attrs int | string | {} ~ infinity e.g. { core = 0; memlock = \"infinity\"; }", "Further limits of each process: " + strings.Join(project.RlimitNames(), ", ") + ", as setrlimit(2) has them. A number, for sizes also text such as \"8M\"; \"infinity\" or -1 for none; or { soft; hard; }."},
		{"  soft", "required int | string", "What a process has."},
		{"  hard", "required int | string", "How far it may raise that."},
	})["ulimits"]
}

// applySettings sets what the user wants of the main process, and the umask and the
// groups of all.
func (in *Instance) applySettings(main *project.Process) {
	s := &main.Settings
	number := func(option string) *int {
		if !in.Has(option) {
			return nil
		}
		n := in.Int(option)
		return &n
	}
	s.Nice, s.OOMScoreAdjust = number("nice"), number("oomScoreAdjust")
	s.Umask = in.String("umask")
	if _, err := s.UmaskBits(); err != nil {
		in.Get("umask").Errorf("umask %v", err)
	}
	for _, c := range in.List("supplementaryGroups") {
		name := ""
		if c.Kind() == module.KindInt {
			name = strconv.Itoa(c.Int())
		} else {
			name = c.String()
		}
		s.Groups = append(s.Groups, name)
	}
	if in.Has("capabilities") {
		s.Capabilities = &[]string{}
		for _, c := range in.List("capabilities") {
			name := strings.TrimPrefix(strings.ToLower(c.String()), "cap_")
			if !slices.Contains(project.CapabilityNames(), name) {
				c.Errorf("there is no capability %q\n  hint: write %s", c.String(), meant(name, project.CapabilityNames()))
			}
			*s.Capabilities = append(*s.Capabilities, name)
		}
	}
	for _, id := range in.service.ProcessIDs() {
		proc := in.project.Processes[id]
		proc.Settings.Umask, proc.Settings.Groups = s.Umask, s.Groups
	}
	in.applyUlimits(&main.Limits)
	in.applySandbox(main)
	in.applyNetwork(main)
}

func (in *Instance) applySandbox(main *project.Process) {
	if !in.Has("sandbox") {
		if in.IsSet("readWritePaths") {
			in.note(in.Get("readWritePaths"), "readWritePaths has no effect without sandbox = \"strict\"")
		}
		return
	}
	main.Settings.Sandbox = project.Sandbox(in.String("sandbox"))
	for _, c := range in.List("readWritePaths") {
		main.Settings.Writable = append(main.Settings.Writable, in.place.Path(c.Str()))
	}
	// The folder for temporary files of all programs is that of all others, too.
	if _, set := main.Env["TMPDIR"]; !set {
		main.Env["TMPDIR"] = project.Value{Text: in.RunDir("/tmp")}
		main.Dirs = append(main.Dirs, project.Dir{Path: in.RunDir("/tmp"), Mode: "0700"})
	}
}

// applyNetwork gives the main process a network of its own. What sets it up once it runs
// is there, too, since it asks it.
func (in *Instance) applyNetwork(main *project.Process) {
	if !in.Has("network") {
		return
	}
	main.Settings.Network = project.Network(in.String("network"))
	for _, id := range in.service.Setup {
		in.project.Processes[id].Settings.Network = main.Settings.Network
	}
	for role, probe := range main.Probes() {
		if kind := probe.ThroughNetwork(); kind != "" {
			in.Get("network").Errorf("network = %q: the %s probe asks by %s, and nothing outside reaches the service\n  hint: set %s_probe.exec, whose command runs in the service's network", main.Settings.Network, role, kind, role)
		}
	}
}

func (in *Instance) applyUlimits(limits *project.Limits) {
	for _, c := range in.Each("limits", "ulimits") {
		name := c.Name()
		if !slices.Contains(project.RlimitNames(), name) {
			c.Errorf("there is no limit %q\n  hint: write %s", name, meant(name, project.RlimitNames()))
			continue
		}
		if name == "nofile" && in.Has("limits", "nofile") {
			c.Errorf("ulimits.nofile and nofile must not both be set")
		}
		var l project.Rlimit
		if c.Kind() == module.KindAttrs {
			l.Soft, l.Hard = ulimit(c.Get("soft"), name), ulimit(c.Get("hard"), name)
		} else {
			l.Soft = ulimit(c, name)
			l.Hard = l.Soft
		}
		if l.Soft > l.Hard {
			c.Errorf("the soft limit of %q must not be above the hard one", name)
		}
		if limits.Rlimits == nil {
			limits.Rlimits = map[string]project.Rlimit{}
		}
		limits.Rlimits[name] = l
	}
}

// ulimit reads one value of a limit.
func ulimit(c *module.Config, name string) uint64 {
	if c.Kind() == module.KindInt {
		if n := c.Int(); n >= -1 {
			return uint64(int64(n)) // -1 is Infinity
		}
		c.Errorf("must be -1 or more, not %d", c.Int())
		return 0
	}
	switch text := c.String(); {
	case text == "infinity" || text == "unlimited":
		return project.Infinity
	case !project.InBytes(name):
		c.Errorf("must be a number or \"infinity\", not %q", text)
	default:
		n, err := parseBytes(text)
		if err != nil {
			c.Errorf("%v", err)
		}
		return uint64(n)
	}
	return 0
}

// meant names the word that was probably meant, or all.
func meant(word string, known []string) string {
	if near := spelling.Nearest(word, known); near != "" {
		return near
	}
	return "one of " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}
