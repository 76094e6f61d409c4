package definition

import (
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// gpus says of each service that does not say so itself what it needs of the
// machine's GPUs: what CUDA_VISIBLE_DEVICES lists; else all, as CUDA has it, when
// the service names a CUDA package or is a custom one of a container with CUDA.
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
			set = set && s.Type == "custom" // to others it says nothing
		}
		if set {
			if text, ok := visible.Text.Literal(); ok {
				s.GPUs = catalog.GPUsOf(text)
			} else { // a secret: which ones, only the machine knows
				s.GPUs = &project.GPUs{All: true}
			}
			continue
		}
		if b.project.Container.CUDA != "" && s.Type == "custom" || b.namesCUDA(id) {
			s.GPUs = &project.GPUs{All: true}
		}
	}
}

// namesCUDA reports whether a service names a package of CUDA, beyond what
// every service of the container gets.
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
