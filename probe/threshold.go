package probe

// A State is what results add up to.
type State int

// The states.
const (
	Unknown State = iota // neither threshold has been reached
	Passing
	Failing
)

func (s State) String() string { return [...]string{"unknown", "passing", "failing"}[s] }

// A Threshold adds results up: Success successes in a row make it Passing, Failure
// failures in a row Failing; their defaults are 1 and 3. It is pure.
type Threshold struct {
	Success, Failure int

	state     State
	successes int // in a row
	failures  int
}

// Add counts a result, and reports the state and whether it has changed.
func (t *Threshold) Add(ok bool) (state State, news bool) {
	if ok {
		t.failures = 0
		if t.successes++; t.successes >= or(t.Success, 1) && t.state != Passing {
			t.state, news = Passing, true
		}
		return t.state, news
	}
	t.successes = 0
	if t.failures++; t.failures >= or(t.Failure, 3) && t.state != Failing {
		t.state, news = Failing, true
	}
	return t.state, news
}

// State returns what the results add up to so far.
func (t *Threshold) State() State { return t.state }

func or(n, unset int) int {
	if n <= 0 {
		return unset
	}
	return n
}
