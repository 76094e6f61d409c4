package session

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Looking whether folders can be made is nothing that another boot could notice.
func TestFoldersAreTriedUnseen(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "data")
	tried := make(chan error)
	go func() {
		for range 1000 {
			if err := notWritable(filepath.Join(data, "postgresql", "db")); err != nil {
				tried <- err
				return
			}
		}
		tried <- nil
	}()
	for looks := 0; ; looks++ {
		if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("look %d sees the folder that is only tried: %v", looks, err)
		}
		select {
		case err := <-tried:
			if err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(root); len(left) > 0 {
				t.Errorf("it leaves %v", left)
			}
			return
		default:
		}
	}
}
