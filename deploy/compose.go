package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"nix2gpu/project"
)

// Options say what a file is made for.
type Options struct {
	Image string // the reference, by digest: ghcr.io/me/web@sha256:…
	From  string // the definition, for the first line
}

// readyTest asks the project in the container whether all is well.
var readyTest = [...]string{"CMD", "/usr/bin/nix2gpu", "ready"}

// stopMargin is what an engine has to wait longer than the project needs, so that
// the kill comes from inside, in order.
const stopMargin = time.Second

// defaultStop is what boot takes at most to stop everything.
const defaultStop = 9 * time.Second

// Compose is a compose.yaml that runs the project's image, and what it can't say.
func Compose(valid project.Valid, opts Options) ([]byte, []project.Note, error) {
	c := &composer{p: valid.Project(), volumes: map[string]bool{}}
	name := idOf(c.p.Name)
	service := yaml.MapSlice{{Key: "image", Value: opts.Image}}
	add := func(key string, value any) { service = append(service, yaml.MapItem{Key: key, Value: value}) }
	ports, err := c.ports()
	if err != nil {
		return nil, nil, err
	}
	if len(ports) > 0 {
		add("ports", ports)
	}
	if mounts := c.mounts(); len(mounts) > 0 {
		add("volumes", mounts)
	}
	add("healthcheck", yaml.MapSlice{
		{Key: "test", Value: readyTest[:]}, {Key: "interval", Value: "10s"}, {Key: "timeout", Value: "5s"},
		{Key: "start_period", Value: "5m"}, {Key: "retries", Value: 3},
	})
	stop := defaultStop
	if c.p.StopTimeout != nil {
		stop = time.Duration(*c.p.StopTimeout)
	}
	add("stop_grace_period", seconds(stop+stopMargin))
	restart := "on-failure" // a project that is done has ended well
	if c.p.WhenDone == project.WhenDoneStay {
		restart = "unless-stopped"
	}
	add("restart", restart)
	if gpus := c.gpus(); gpus != nil {
		add("deploy", gpus)
	}
	c.rest()
	doc := yaml.MapSlice{{Key: "services", Value: yaml.MapSlice{{Key: name, Value: service}}}}
	if len(c.volumes) > 0 {
		vs := yaml.MapSlice{}
		for _, v := range slices.Sorted(maps.Keys(c.volumes)) {
			vs = append(vs, yaml.MapItem{Key: v, Value: yaml.MapSlice{}})
		}
		doc = append(doc, yaml.MapItem{Key: "volumes", Value: vs})
	}
	text, err := yaml.MarshalWithOptions(doc, yaml.Indent(2), yaml.IndentSequence(true))
	if err != nil {
		return nil, nil, err
	}
	head := fmt.Sprintf("# Made by \"nix2gpu deploy compose\" of %s. Change the definition, not this file.\n", cmp.Or(opts.From, c.p.Name))
	slices.SortStableFunc(c.notes, func(a, b project.Note) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Text, b.Text))
	})
	return append([]byte(head), text...), slices.Compact(c.notes), nil
}

// seconds writes a length of time in whole seconds, rounded up: 1m30s becomes 90s.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10) + "s"
}

type composer struct {
	p       *project.Project
	volumes map[string]bool
	notes   []project.Note
}

func (c *composer) note(pos project.Pos, service project.ID, format string, args ...any) {
	c.notes = append(c.notes, project.Note{Service: service, Pos: pos, Text: fmt.Sprintf(format, args...)})
}

// services are those that run, by their ids.
func (c *composer) services() []*project.Service {
	var out []*project.Service
	for _, id := range slices.Sorted(maps.Keys(c.p.Services)) {
		if s := c.p.Services[id]; !s.Disabled {
			out = append(out, s)
		}
	}
	return out
}

// ssh is published at a port that the engine chooses: 22 of the host is taken.
const ssh = 22

func (c *composer) ports() ([]yaml.MapSlice, error) {
	var out []yaml.MapSlice
	for _, text := range c.p.Container.ExposedPorts {
		numbers, protocol, _ := strings.Cut(text, "/")
		protocol = cmp.Or(protocol, "tcp")
		low, high, isRange := strings.Cut(numbers, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		if err != nil {
			return nil, fmt.Errorf("exposed port %q is no port", text)
		}
		to, err := strconv.Atoi(high)
		if err != nil || to < from {
			return nil, fmt.Errorf("exposed port %q is no port", text)
		}
		for n := from; n <= to; n++ {
			port := yaml.MapSlice{{Key: "target", Value: n}}
			if n != ssh {
				port = append(port, yaml.MapItem{Key: "published", Value: n})
			}
			out = append(out, append(port, yaml.MapItem{Key: "protocol", Value: protocol}))
		}
	}
	return out, nil
}

// mounts are a volume for each folder whose content is to be kept.
func (c *composer) mounts() []yaml.MapSlice {
	kept := map[string]project.ID{}
	for _, s := range c.services() {
		for _, id := range slices.Concat(s.Init, []project.ID{s.Main}, s.Setup) {
			for _, d := range c.p.Processes[id].Dirs {
				if !d.Keep {
					continue
				}
				where, ok := c.inContainer(d.Path)
				if !ok {
					c.note(s.Pos, s.ID, "where %s keeps its data is known only in the container: %s gets no volume", s.Label, d.Path)
					continue
				}
				kept[where] = s.ID
			}
		}
	}
	var out []yaml.MapSlice
	last := ""
	for _, where := range slices.Sorted(maps.Keys(kept)) {
		if last != "" && strings.HasPrefix(where, last+"/") {
			continue // the volume around it keeps it, too
		}
		last = where
		v := c.volume(where)
		out = append(out, yaml.MapSlice{{Key: "type", Value: "volume"}, {Key: "source", Value: v}, {Key: "target", Value: where}})
	}
	return out
}

// volume is the name of the volume for a folder, without the working directory.
func (c *composer) volume(where string) string {
	v := idOf(strings.TrimPrefix(strings.TrimPrefix(where, c.workingDir()), "/"))
	for c.volumes[v] {
		v += "-2"
	}
	c.volumes[v] = true
	return v
}

func (c *composer) workingDir() string { return cmp.Or(c.p.Container.WorkingDir, "/workspace") }

// inContainer is a text as the container has it, where that is known before.
func (c *composer) inContainer(t project.Text) (string, bool) {
	var b strings.Builder
	for _, part := range t {
		switch {
		case part.IsLiteral():
			b.WriteString(part.Literal)
		case part.Root != nil:
			b.WriteString(c.workingDir() + *part.Root)
		default:
			return "", false
		}
	}
	return path.Clean(b.String()), true
}

// gpus reserves what the services need together: the GPUs of a container are
// seen by all of them.
func (c *composer) gpus() yaml.MapSlice {
	all, count := false, 0
	devices := map[string]bool{}
	var counted, named *project.Service
	for _, s := range c.services() {
		if s.GPUs == nil {
			continue
		}
		all = all || s.GPUs.All
		if s.GPUs.Count > 0 {
			count, counted = max(count, s.GPUs.Count), s
		}
		for _, d := range s.GPUs.Devices {
			devices[d], named = true, s
		}
	}
	if counted != nil && named != nil && !all {
		c.note(counted.OptionPos("gpus"), counted.ID, "%s wants a number of GPUs, and %s certain ones: the container gets all of them", counted.Label, named.Label)
		all = true
	}
	request := yaml.MapSlice{{Key: "driver", Value: "nvidia"}}
	switch {
	case all || c.p.Container.CUDA != "" && count == 0 && len(devices) == 0:
		request = append(request, yaml.MapItem{Key: "count", Value: "all"})
	case len(devices) > 0:
		request = append(request, yaml.MapItem{Key: "device_ids", Value: slices.Sorted(maps.Keys(devices))})
	case count > 0:
		request = append(request, yaml.MapItem{Key: "count", Value: count})
	default:
		return nil
	}
	request = append(request, yaml.MapItem{Key: "capabilities", Value: []string{"gpu"}})
	return yaml.MapSlice{{Key: "resources", Value: yaml.MapSlice{{Key: "reservations", Value: yaml.MapSlice{{Key: "devices", Value: []yaml.MapSlice{request}}}}}}}
}

// rest tells what has no place in the file.
func (c *composer) rest() {
	for _, name := range slices.Sorted(maps.Keys(c.p.Secrets)) {
		c.note(project.Pos{}, "", "secret %q is a file (%s) that the image has not: add a secret or a mount for it", name, c.p.Secrets[name].File)
	}
	if t := c.p.Container.Tailscale; t != nil {
		c.note(project.Pos{}, "", "tailscale: the container joins in userspace mode; for all of it add cap_add: [NET_ADMIN] and devices: [/dev/net/tun]")
		if t.AuthKeyFile != "" {
			c.note(project.Pos{}, "", "tailscale: its key file %s is not in the image: add a secret or a mount for it", t.AuthKeyFile)
		}
	}
	for _, s := range c.services() {
		if s.Unsupported != "" {
			c.note(s.Pos, s.ID, "%s does not run: %s", s.Label, s.Unsupported)
		}
		for _, id := range slices.Concat(s.Init, []project.ID{s.Main}, s.Setup) {
			proc := c.p.Processes[id]
			for _, f := range proc.EnvFiles {
				c.note(s.Pos, s.ID, "%s reads the environment file %s, which the image has not: add a mount for it", s.Label, f)
			}
			for _, f := range proc.Files {
				if len(f.Source) > 0 {
					c.note(s.Pos, s.ID, "%s needs the file %s, which the image has not: add a secret or a mount for it", s.Label, f.Source)
				}
			}
			if l := proc.Limits; l.Memory > 0 || l.CPUs > 0 || l.Pids > 0 {
				c.note(s.OptionPos("limits"), s.ID, "the limits of %s are for one service of several: compose limits the container as a whole, so they hold only where the container may make control groups", s.Label)
			}
		}
	}
}

var notID = regexp.MustCompile(`[^a-z0-9_-]+`)

// idOf makes of a name or a path one that compose takes.
func idOf(s string) string {
	s = strings.Trim(notID.ReplaceAllString(strings.ToLower(s), "-"), "-_")
	return cmp.Or(s, "data")
}
