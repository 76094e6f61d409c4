package provision

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func isLasting(err error) bool {
	var l *LastingError
	return errors.As(err, &l)
}

// What the server says of the statement lasts; what it says of itself passes.
func TestLastingSQL(t *testing.T) {
	for code, want := range map[string]bool{
		"42601": true, "42P01": true, "28000": true, "3D000": true,
		"53100": false, "57P03": false, "08006": false, "40P01": false, "55P03": false, "XX000": false,
	} {
		err := lastingSQL(fmt.Errorf("postgresql: %w", &pgconn.PgError{Code: code}))
		if isLasting(err) != want {
			t.Errorf("%s: lasting %t, want %t", code, !want, want)
		}
	}
	if isLasting(lastingSQL(errors.New("broken pipe"))) || lasting(nil) != nil {
		t.Error("an error of the connection lasts")
	}
}

func TestMySQLRefused(t *testing.T) {
	for message, want := range map[string]bool{
		"ERROR 1064 (42000) at line 1: You have an error in your SQL syntax": true,
		"note\nERROR 1146 (42S02) at line 3: Table 'a.b' doesn't exist":      true,
		"ERROR 2002 (HY000): Can't connect to local server":                  false,
		"ERROR 1040 (08004): Too many connections":                           false,
		"ERROR 1205 (HY000) at line 1: Lock wait timeout exceeded":           false,
		"ERROR 3780 (HY000) at line 1: incompatible":                         true,
		"killed": false, "": false,
	} {
		if got := mysqlRefused(message); got != want {
			t.Errorf("%q: %t, want %t", message, got, want)
		}
	}
}
