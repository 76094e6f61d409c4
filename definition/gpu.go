package definition

import (
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// gpus sets what each service needs of the machine's GPUs, unless its options say so:
// what CUDA_VISIBLE_DEVICES lists; else all, as with CUDA itself, if the service names
// a CUDA package or is a custom one of a container with CUDA.
func (b *builder) gpus() {
	for id, s := range b.project.Services {
		if s.GPUs != nil {
			continue
		}
		main := b.project.Processes[s.Main]
		if main == nil {
			continue
		}
		visible, set := main.Env[catalog.VisibleDevices]
		if !set {
			visible, set = b.project.Container.Env[catalog.VisibleDevices]
			set = set && s.Type == "custom" // the variable is meant for custom services
		}
		if set {
			if text, ok := visible.Text.Literal(); ok {
				s.GPUs = catalog.GPUsOf(text)
			} else { // it is a secret, so only the machine knows which
				s.GPUs = &project.GPUs{All: true}
			}
			continue
		}
		if b.project.Container.CUDA != "" && s.Type == "custom" || b.namesCUDA(id) {
			s.GPUs = &project.GPUs{All: true}
		}
	}
}

// namesCUDA reports whether a service names a CUDA package. The set that every service
// of the container gets does not count.
func (b *builder) namesCUDA(id project.ID) bool {
	for _, proc := range b.project.Services[id].ProcessIDs() {
		q, found := b.project.Processes[proc], false
		if q == nil {
			continue
		}
		note := func(attr string) { found = found || strings.HasPrefix(attr, "cudaPackages") && !packages.IsSet(attr) }
		for _, ref := range q.Packages {
			note(ref.Attr)
		}
		q.EachText(func(_ project.Owner, t *project.Text) {
			for _, attr := range t.Packages() {
				note(attr)
			}
		})
		if found {
			return true
		}
	}
	return false
}
