package repo

// Option is what apt's configuration says by that name.
func (p *Proxies) Option(name string) string { return p.options[name].value }

// Names are those of all options.
func (p *Proxies) Names() (names []string) {
	for name := range p.options {
		names = append(names, name)
	}
	return names
}
