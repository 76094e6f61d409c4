package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// VisibleDevices is the variable by which CUDA is told which GPUs there are.
const VisibleDevices = "CUDA_VISIBLE_DEVICES"

// noDevice is a value of it that hides all GPUs, also from those who take an
// empty one for none.
const noDevice = "-1"

// applyGPUs reads the option gpus: what the service needs, and what its
// processes see.
func (in *Instance) applyGPUs() {
	if !in.Has("gpus") {
		return
	}
	c := in.Get("gpus")
	visible := ""
	switch c.Kind() {
	case module.KindList:
		var devices []string
		for _, d := range c.List() {
			switch text := in.scalar(d).String(); {
			case text == "" || strings.ContainsAny(text, ", ") || strings.HasPrefix(text, "-"):
				d.Errorf("a GPU must be a number, or a UUID such as \"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6\", not %q", text)
			default:
				devices = append(devices, text)
			}
		}
		if len(c.List()) == 0 {
			c.Errorf("gpus must name a GPU\n  hint: gpus = \"none\" hides them all")
		}
		in.service.GPUs = &project.GPUs{Devices: devices}
		visible = strings.Join(devices, ",")
	case module.KindInt:
		in.service.GPUs = &project.GPUs{Count: c.Int()}
		var first []string
		for i := range min(c.Int(), maxGPUs) {
			first = append(first, strconv.Itoa(i))
		}
		if c.Int() > maxGPUs {
			c.Errorf("gpus must be at most %d, not %d", maxGPUs, c.Int())
		}
		visible = strings.Join(first, ",")
	default:
		if c.String() == "none" {
			visible = noDevice
			break
		}
		in.service.GPUs = &project.GPUs{All: true}
		if _, ok := in.project.Container.Env[VisibleDevices]; ok {
			c.Errorf("gpus = \"all\" contradicts %s of the container's env", VisibleDevices)
		}
	}
	for _, id := range in.service.ProcessIDs() {
		proc := in.project.Processes[id]
		if _, ok := proc.Env[VisibleDevices]; ok {
			c.Errorf("gpus and %s must not be set both", VisibleDevices)
			return
		}
		if visible != "" {
			proc.Env[VisibleDevices] = project.Value{Text: project.Lit(visible)}
		}
	}
}

// maxGPUs is more than a machine has.
const maxGPUs = 1024

// GPUsOf is what a value of CUDA_VISIBLE_DEVICES says that a process needs; nil
// when it sees none. CUDA reads the list up to the first device that is none.
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
