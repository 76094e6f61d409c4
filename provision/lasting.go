package provision

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// A LastingError is one that trying again does not help against: what is wrong is
// the user's own text, or the machine. Whoever runs us is told by the exit code
// project.CannotPass.
type LastingError struct{ err error }

func (e *LastingError) Error() string { return e.err.Error() }
func (e *LastingError) Unwrap() error { return e.err }

// lasting marks an error; nil stays nil.
func lasting(err error) error {
	if err == nil {
		return nil
	}
	return &LastingError{err}
}

// lastingSQL marks an error of PostgreSQL's, unless the server may think otherwise
// later: it lacks something, was told to end, or somebody else was in the way.
func lastingSQL(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(pg.Code) < 2 {
		return err
	}
	switch pg.Code[:2] {
	case "08", "40", "53", "55", "57", "58", "XX":
		return err
	}
	return lasting(err)
}
