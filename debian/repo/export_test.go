package repo

// Option is what apt's configuration says by that name.
func (p *AptConfig) Option(name string) string { return p.options[name].value }

// Names are those of all options.
func (p *AptConfig) Names() (names []string) {
	for name := range p.options {
		names = append(names, name)
	}
	return names
}
