package project

// A Valid is a project in which [Validated] found nothing wrong. What runs projects
// takes this type, so that nothing runs unchecked and nothing is checked twice. The
// project that it holds must not be changed.
type Valid struct{ p *Project }

// Validated returns p as a Valid, or the error of [Project.Validate].
func Validated(p *Project) (Valid, error) {
	if err := p.Validate(); err != nil {
		return Valid{}, err
	}
	return Valid{p}, nil
}

// TakenAsValid returns p as a Valid without checking it. Use it only for a project that
// another process of ours has validated and passed on in a file that nobody else can
// write.
func TakenAsValid(p *Project) Valid { return Valid{p} }

// Project returns the project, which is nil in the zero value.
func (v Valid) Project() *Project { return v.p }
