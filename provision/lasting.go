package provision

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// A LastingError is an error that no further try will mend: the user's own text is
// wrong, or the machine. The exit code project.CannotPass tells whoever runs us.
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

// lastingSQL marks an error of PostgreSQL, unless it may pass: the server lacks
// resources, is being shut down, or somebody else was in the way.
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
