package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A mark is an empty file in a data folder, which says what has run. The set-up may run as
// root, and the server's own tools copy the whole folder as its user: so all may read marks.
const markMode = 0o644

// marked reports whether a mark is there. One of an earlier version becomes readable.
func marked(file, server string) (bool, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil { // neither to do it twice nor to leave it out would be right
		return false, fmt.Errorf("%s: cannot tell whether the set-up is done: %v", server, err)
	}
	if info.Mode().Perm() != markMode {
		_ = os.Chmod(file, markMode) // only copies of the folder need it
	}
	return true, nil
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
