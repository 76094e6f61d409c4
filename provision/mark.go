package provision

import (
	"fmt"
	"os"
)

// A mark is an empty file in a data folder, which says what has run. The set-up may run as
// root, and the server's own tools copy the whole folder as its user: so all may read marks.
const markMode = 0o644

// marked reports whether a mark is there. One of an earlier version becomes readable.
func marked(file string) bool {
	info, err := os.Stat(file)
	if err == nil && info.Mode().Perm() != markMode {
		_ = os.Chmod(file, markMode) // only copies of the folder need it
	}
	return !os.IsNotExist(err)
}

// mark makes one.
func mark(file, server string) error {
	err := os.WriteFile(file, nil, markMode)
	if err == nil {
		err = os.Chmod(file, markMode) // whatever our umask
	}
	if err != nil {
		return fmt.Errorf("%s: cannot mark the set-up as done: %v", server, err)
	}
	return nil
}
