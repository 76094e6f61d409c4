package index

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"nix2gpu/wheel"
)

// fileScheme begins the URL of a file in a folder.
const fileScheme = "file:"

// inFolders lists the files of a project in folders: wheels, and source archives for the
// error when there is no wheel.
func (c *Client) inFolders(project string) ([]wheel.File, error) {
	var out []wheel.File
	for _, dir := range c.opts.Folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("cannot read the wheels of --find-links: %w", err)
		}
		for _, e := range entries {
			f := wheel.File{Name: e.Name(), Size: -1, URL: fileScheme + filepath.Join(dir, e.Name())}
			if name, err := wheel.ParseFilename(e.Name()); err == nil {
				if name.Name != project {
					continue
				}
				if f.SHA256, err = digestOf(filepath.Join(dir, e.Name())); err != nil {
					return nil, fmt.Errorf("cannot read the wheels of --find-links: %w", err)
				}
			} else if !wheel.IsSourceOf(project, e.Name()) {
				continue
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// copy copies a file of a folder into the cache, where it appears complete or not at
// all. The digest is checked while copying, since the file may have changed after it
// was listed.
func (c *Client) copy(file, sum string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	place := c.place(sum)
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return c.cache.Explain(err)
	}
	out, err := os.CreateTemp(filepath.Dir(place), "copy.*.part")
	if err != nil {
		return c.cache.Explain(err)
	}
	defer os.Remove(out.Name()) // fails if it was renamed
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), f)
	if err := errors.Join(err, out.Close()); err != nil {
		return c.cache.Explain(err)
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return errors.New(file + " changed while it was being read")
	}
	return c.cache.Explain(os.Rename(out.Name(), place))
}
