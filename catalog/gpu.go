package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// VisibleDevices is the variable by which CUDA is told which GPUs there are.
const VisibleDevices = "CUDA_VISIBLE_DEVICES"

// noDevice is a value of CUDA_VISIBLE_DEVICES that hides all GPUs, also from programs
// that take an empty value for an unset one.
const noDevice = "-1"

// applyGPUs reads the options gpus and gpu: what the service needs, and what its
// processes see.
func (in *Instance) applyGPUs() {
	asked := in.need(in.Get("gpu"))
	c, chosen, visible := in.Get("gpus"), in.Has("gpus"), ""
	switch {
	case asked != nil && asked.chosen() && chosen:
		c.Errorf("gpus and gpu must not both be set\n  hint: gpu.memory may stand beside gpus")
		return
	case chosen:
		in.service.GPUs, visible = in.listedGPUs(c)
	case asked != nil && asked.chosen():
		c, chosen = in.Get("gpu"), true
		in.service.GPUs, visible = &asked.GPUs, firstGPUs(asked.Count)
		if len(asked.Devices) > 0 {
			visible = strings.Join(asked.Devices, ",")
		}
	case asked != nil: // only memory is asked, of the GPUs that it sees anyway
		in.service.GPUs = &project.GPUs{All: true}
		for _, env := range []map[string]project.Value{in.project.Processes[in.service.Main].Env, in.project.Container.Env} {
			if value, ok := env[VisibleDevices]; ok {
				if text, ok := value.Text.Literal(); ok && GPUsOf(text) != nil {
					in.service.GPUs = GPUsOf(text)
				}
				break
			}
		}
	}
	if asked != nil && in.service.GPUs != nil {
		in.service.GPUs.Memory = asked.Memory
	}
	if !chosen {
		return
	}
	for _, id := range in.service.ProcessIDs() {
		proc := in.project.Processes[id]
		if _, ok := proc.Env[VisibleDevices]; ok {
			c.Errorf("%s and %s must not both be set", c.Name(), VisibleDevices)
			return
		}
		if visible != "" {
			proc.Env[VisibleDevices] = project.Value{Text: project.Lit(visible)}
		}
	}
}

// listedGPUs reads the option gpus.
func (in *Instance) listedGPUs(c *module.Config) (needs *project.GPUs, visible string) {
	switch c.Kind() {
	case module.KindList:
		var devices []string
		for _, d := range c.List() {
			if text := in.scalar(d).String(); isDevice(text) {
				devices = append(devices, text)
			} else {
				d.Errorf("a GPU must be a number, or a UUID such as \"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6\", not %q", text)
			}
		}
		if len(c.List()) == 0 {
			c.Errorf("gpus must name a GPU\n  hint: gpus = \"none\" hides them all")
		}
		return &project.GPUs{Devices: devices}, strings.Join(devices, ",")
	case module.KindInt:
		if c.Int() > maxGPUs {
			c.Errorf("gpus must be at most %d, not %d", maxGPUs, c.Int())
		}
		return &project.GPUs{Count: c.Int()}, firstGPUs(c.Int())
	}
	if c.String() == "none" {
		return nil, noDevice
	}
	if _, ok := in.project.Container.Env[VisibleDevices]; ok {
		c.Errorf("gpus = \"all\" contradicts %s of the container's env\n  hint: leave out one of the two", VisibleDevices)
	}
	return &project.GPUs{All: true}, ""
}

// isDevice reports whether text can stand in CUDA_VISIBLE_DEVICES for one GPU.
func isDevice(text string) bool {
	return text != "" && !strings.ContainsAny(text, ", ") && !strings.HasPrefix(text, "-")
}

// firstGPUs names the first n GPUs.
func firstGPUs(n int) string {
	var first []string
	for i := range min(n, maxGPUs) {
		first = append(first, strconv.Itoa(i))
	}
	return strings.Join(first, ",")
}

// A gpuNeed is what an option asks of the GPUs.
type gpuNeed struct{ project.GPUs }

// chosen reports whether it says which GPUs, or how many.
func (n *gpuNeed) chosen() bool { return n.Count > 0 || len(n.Devices) > 0 }

// need reads count, memory and uuid; nil when none of them is set.
func (in *Instance) need(c *module.Config) *gpuNeed {
	if c.Kind() == module.Missing || !c.Has("count") && !c.Has("memory") && !c.Has("uuid") {
		return nil
	}
	n := &gpuNeed{}
	n.Count = c.Int("count")
	if n.Count > maxGPUs {
		c.Get("count").Errorf("count must be at most %d, not %d", maxGPUs, n.Count)
	}
	switch memory := c.Get("memory"); memory.Kind() {
	case module.KindInt:
		n.Memory = int64(memory.Int())
	case module.KindStr:
		size, err := parseBytes(memory.String())
		if err != nil {
			memory.Errorf("%v", err)
		}
		n.Memory = size
	}
	if !c.Has("uuid") {
		return n
	}
	uuids := []*module.Config{c.Get("uuid")}
	if uuids[0].Kind() == module.KindList {
		uuids = uuids[0].List()
		if len(uuids) == 0 {
			c.Get("uuid").Errorf("uuid must name a GPU")
		}
	}
	for _, uuid := range uuids {
		text := uuid.String()
		if !isDevice(text) || !strings.HasPrefix(text, "GPU-") && !strings.HasPrefix(text, "MIG-") {
			uuid.Errorf("uuid must be one that nvidia-smi -L shows, such as \"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6\", not %q", text)
			continue
		}
		n.Devices = append(n.Devices, text)
	}
	if n.Count > 0 && n.Count != len(n.Devices) {
		c.Get("count").Errorf("count must be left out when uuid names the GPUs")
	}
	n.Count = 0
	return n
}

// maxGPUs bounds what gpus and gpu.count may ask for: no machine has as many.
const maxGPUs = 1024

// GPUsOf returns the GPUs that a value of CUDA_VISIBLE_DEVICES shows to a process, or
// nil when it shows none. As CUDA does, it reads up to the first entry that is no device.
func GPUsOf(visible string) *project.GPUs {
	if strings.TrimSpace(visible) == "all" {
		return &project.GPUs{All: true}
	}
	var devices []string
	for _, d := range strings.Split(visible, ",") {
		d = strings.TrimSpace(d)
		number, err := strconv.Atoi(d)
		uuid := strings.HasPrefix(d, "GPU-") || strings.HasPrefix(d, "MIG-")
		if !uuid && (err != nil || number < 0) {
			break
		}
		devices = append(devices, d)
	}
	if devices == nil {
		return nil
	}
	return &project.GPUs{Devices: devices}
}
