package project

// A Valid is a project that [Validated] found nothing wrong with. Whoever runs
// one takes this type, so that nothing that was not validated can get there,
// and nothing is validated twice. What it holds must not be changed.
type Valid struct{ p *Project }

// Validated is p as a valid project; the error is that of [Project.Validate].
func Validated(p *Project) (Valid, error) {
	if err := p.Validate(); err != nil {
		return Valid{}, err
	}
	return Valid{p}, nil
}

// TakenAsValid is for what a process of ours has validated and handed over in a
// file that nobody else can write.
func TakenAsValid(p *Project) Valid { return Valid{p} }

// Project is what v holds; nil of the zero value.
func (v Valid) Project() *Project { return v.p }
