package deploy

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"nix2gpu/project"
)

// composeFile writes a compose.yaml.
func composeFile(n *needs, opts Options) ([]byte, error) {
	service := yaml.MapSlice{{Key: "image", Value: opts.Image}}
	add := func(key string, value any) { service = append(service, yaml.MapItem{Key: key, Value: value}) }
	doc := yaml.MapSlice{}
	if ports := composePorts(n); len(ports) > 0 {
		add("ports", ports)
	}
	var before []string
	if len(n.variables) > 0 {
		var names []string // variables without a value: compose takes it from its own environment
		for _, v := range n.variables {
			names = append(names, v.name)
			before = append(before, fmt.Sprintf("It passes on the variable %s: %s.", v.name, v.why))
		}
		add("environment", names)
	}
	volumes := n.volumes()
	if len(volumes) > 0 {
		var mounts []yaml.MapSlice
		for i, where := range n.folders {
			mounts = append(mounts, yaml.MapSlice{{Key: "type", Value: "volume"}, {Key: "source", Value: volumes[i]}, {Key: "target", Value: where}})
		}
		add("volumes", mounts)
	}
	secrets := yaml.MapSlice{}
	if len(n.files) > 0 {
		var uses []yaml.MapSlice
		for _, f := range n.files {
			file := cmp.Or(f.source, "./secrets/"+f.key)
			uses = append(uses, yaml.MapSlice{{Key: "source", Value: f.key}, {Key: "target", Value: f.path}})
			secrets = append(secrets, yaml.MapItem{Key: f.key, Value: yaml.MapSlice{{Key: "file", Value: file}}})
			before = append(before, fmt.Sprintf("It wants the file %s beside it: %s.", file, f.why))
		}
		add("secrets", uses)
	}
	if n.services { // without services, nothing answers a health check
		add("healthcheck", yaml.MapSlice{
			{Key: "test", Value: []string{"CMD", command, "ready"}}, {Key: "interval", Value: "10s"}, {Key: "timeout", Value: "5s"},
			{Key: "start_period", Value: "5m"}, {Key: "retries", Value: 3},
		})
	}
	add("stop_grace_period", strconv.Itoa(wholeSeconds(n.stop+stopMargin))+"s")
	restart := "on-failure" // a project that has completed must not run again
	if n.p.WhenDone == project.WhenDoneStay {
		restart = "unless-stopped"
	}
	add("restart", restart)
	if gpus := composeGPUs(n.gpus); gpus != nil {
		add("deploy", gpus)
	}
	doc = append(doc, yaml.MapItem{Key: "services", Value: yaml.MapSlice{{Key: idOf(n.p.Name), Value: service}}})
	if len(volumes) > 0 {
		list := yaml.MapSlice{}
		for _, v := range volumes {
			list = append(list, yaml.MapItem{Key: v, Value: yaml.MapSlice{}})
		}
		doc = append(doc, yaml.MapItem{Key: "volumes", Value: list})
	}
	if len(secrets) > 0 {
		doc = append(doc, yaml.MapItem{Key: "secrets", Value: secrets})
	}
	text, err := yamlText(doc)
	return append([]byte(head(Compose, cmp.Or(opts.From, n.p.Name), before)), text...), err
}

// wholeSeconds rounds a duration up to seconds.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// composePorts publishes each port under its own number, except ssh's, which is taken on
// most machines: for that the engine chooses one.
func composePorts(n *needs) []yaml.MapSlice {
	var out []yaml.MapSlice
	for _, p := range n.ports {
		item := yaml.MapSlice{{Key: "target", Value: p.number}}
		if p.number != ssh {
			item = append(item, yaml.MapItem{Key: "published", Value: p.number})
		}
		out = append(out, append(item, yaml.MapItem{Key: "protocol", Value: p.protocol}))
	}
	return out
}

// composeGPUs makes the reservation of GPUs.
func composeGPUs(g gpus) yaml.MapSlice {
	request := yaml.MapSlice{{Key: "driver", Value: "nvidia"}}
	switch {
	case g.all:
		request = append(request, yaml.MapItem{Key: "count", Value: "all"})
	case len(g.devices) > 0:
		request = append(request, yaml.MapItem{Key: "device_ids", Value: g.devices})
	case g.count > 0:
		request = append(request, yaml.MapItem{Key: "count", Value: g.count})
	default:
		return nil
	}
	request = append(request, yaml.MapItem{Key: "capabilities", Value: []string{"gpu"}})
	return yaml.MapSlice{{Key: "resources", Value: yaml.MapSlice{{Key: "reservations", Value: yaml.MapSlice{{Key: "devices", Value: []yaml.MapSlice{request}}}}}}}
}
