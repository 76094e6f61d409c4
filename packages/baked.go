package packages

import (
	"os"
	"path/filepath"
	"strings"
)

// Baked provides the packages of an image, whose folders are below Dir. Others, which were
// installed later, come from Next.
type Baked struct {
	Dir  string
	Next Provider
}

// Path implements [Provider].
func (b *Baked) Path(attr string) (string, error) {
	if attr != "" && attr[0] != '.' && !strings.ContainsAny(attr, "/\x00") {
		dir := filepath.Join(b.Dir, attr)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return b.Next.Path(attr)
}

// Contents implements [Provider].
func (b *Baked) Contents(attr string) (*Contents, error) { return b.Next.Contents(attr) }
