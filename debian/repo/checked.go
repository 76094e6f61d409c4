package repo

import (
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"nix2gpu/debian"
)

// checked reads a file of the cache, and fails at its end if the digest is wrong, since
// a disk may have corrupted it.
type checked struct {
	f    *os.File
	hash hash.Hash
	p    debian.Locked
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	c.hash.Write(b[:n])
	if err == io.EOF && hex.EncodeToString(c.hash.Sum(nil)) != c.p.SHA256 {
		err = fmt.Errorf("package %s in the cache is damaged: its file is removed\nhint: run it again: it is then downloaded again", c.p)
		if removed := os.Remove(c.f.Name()); removed != nil {
			err = fmt.Errorf("package %s in the cache is damaged, and cannot be removed: %w", c.p, removed)
		}
	}
	return n, err
}

func (c *checked) Close() error { return c.f.Close() }
