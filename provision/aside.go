package provision

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A data folder is made in a folder inside it. Its entries are then moved up, last the
// one that makes it count as a data folder. So whenever we are killed, the next run
// knows how far we were.
const (
	halfMade = ".nix2gpu-init"     // the server's own tool is at work, or was killed
	whole    = ".nix2gpu-complete" // in halfMade: the tool has succeeded

	temporary = ".nix2gpu-tmp" // the catalog's folder for what servers need for a while
)

// buildAside makes a data folder with build, which gets the folder to fill. The entry
// last makes it count as one.
func buildAside(data, server, last string, build func(dir string) error) error {
	dir := filepath.Join(data, halfMade)
	if _, err := os.Stat(filepath.Join(dir, whole)); err != nil {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("%s: %v", server, err)
		}
		if err := checkEmpty(data, server); err != nil {
			return err
		}
		if err := build(dir); err != nil {
			return err
		}
		// The tools would sync some thousand files one by one. One sync of the file
		// system takes a tenth of the time.
		if err := syncFS(dir); err != nil {
			return fmt.Errorf("%s: cannot sync %q: %v", server, dir, err)
		}
		if err := os.WriteFile(filepath.Join(dir, whole), nil, 0o600); err != nil {
			return fmt.Errorf("%s: %v", server, err)
		}
	}
	if err := os.Chmod(data, 0o700); err != nil {
		return fmt.Errorf("%s: data folder %q must be private: %v", server, data, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%s: %v", server, err)
	}
	move := func(name string) error {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(data, name)); err != nil {
			return fmt.Errorf("%s: cannot complete the data folder: %v", server, err)
		}
		return nil
	}
	for _, e := range entries {
		if e.Name() == last || e.Name() == whole {
			continue
		}
		if err := move(e.Name()); err != nil {
			return err
		}
	}
	if err := move(last); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// checkEmpty refuses to make a data folder among foreign files.
func checkEmpty(data, server string) error {
	entries, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("%s: data folder %q cannot be read: %v", server, data, err)
	}
	for _, e := range entries {
		if e.Name() == "lost+found" || e.Name() == temporary { // the first is of a volume
			continue
		}
		return lasting(fmt.Errorf("%s: data folder %q is not a data folder of this server, and is not empty: it holds %q\nhint: set dataDir to another folder, or empty this one",
			server, data, e.Name()))
	}
	return nil
}

func syncFS(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
