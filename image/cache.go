package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"nix2gpu/safefile"
	"os"
	"path/filepath"
	"time"
)

// formatVersion is part of every layer's key. It has to be increased when the same
// inputs give another layer, or other facts beside it, so that old entries of the
// cache are no longer found.
const formatVersion = 8

// A record describes a layer in the cache.
type record struct {
	Key      string      `json:"key"`
	Digest   string      `json:"digest"` // SHA-256 of the compressed bytes, in hexadecimal
	DiffID   string      `json:"diffID"` // SHA-256 of the tar archive
	Size     int64       `json:"size"`
	Unpacked int64       `json:"unpacked"`
	Packed   Compression `json:"packed"`
	Newest   int64       `json:"newest"` // time of its newest entry, in seconds since 1970
}

// A cache keeps layers under keys that are made from their inputs. Several builds may
// use it at a time: a file gets its name last, so whatever has a name is complete.
type cache struct{ dir string }

func openCache(dir string) (*cache, error) {
	c := &cache{filepath.Join(dir, "layers")}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the cache of layers: %w", err)
	}
	return c, nil
}

// key returns the digest of a layer's inputs.
func key(kind string, inputs ...any) string {
	data, err := json.Marshal([]any{formatVersion, kind, inputs})
	if err != nil {
		panic(err) // plain values can't fail
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (c *cache) recordFile(key string) string { return filepath.Join(c.dir, key+".json") }
func (c *cache) factsFile(key string) string  { return filepath.Join(c.dir, key+".facts") }
func (c *cache) blobFile(digest string) string {
	return filepath.Join(c.dir, "sha256-"+digest)
}

// find looks for a layer. It returns nil if the record or the bytes are missing.
func (c *cache) find(key string) *record {
	data, err := os.ReadFile(c.recordFile(key))
	if err != nil {
		return nil
	}
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil || r.Key != key {
		return nil
	}
	if info, err := os.Stat(c.blobFile(r.Digest)); err != nil || info.Size() != r.Size {
		return nil
	}
	c.used(c.recordFile(key), c.factsFile(key), c.blobFile(r.Digest))
	return r
}

// used sets the time of files, because pruning removes those that were not used for
// long.
func (c *cache) used(files ...string) {
	now := time.Now()
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && now.Sub(info.ModTime()) > time.Hour {
			_ = os.Chtimes(file, now, now) // nobody prunes a cache that is read-only
		}
	}
}

// facts reads what was learnt while the layer was made; nil if that is missing.
func (c *cache) facts(key string) (*layerFacts, error) {
	data, err := os.ReadFile(c.factsFile(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	f := &layerFacts{}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, nil // damaged: the caller makes it again
	}
	return f, nil
}

// make makes a layer: write fills the archive.
func (c *cache) make(key string, pack Compression, write func(w *layerWriter) error) (*record, error) {
	f, err := safefile.Create(c.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot write to the cache of layers: %w", err)
	}
	defer f.Close()
	p, err := newPacker(f.File, pack)
	if err != nil {
		return nil, err
	}
	w := newLayerWriter(p.tar)
	if err := write(w); err != nil {
		return nil, err
	}
	if err := p.close(); err != nil {
		return nil, err
	}
	r := &record{Key: key, Digest: p.packed.digest(), DiffID: p.plain.digest(), Size: p.packed.n, Unpacked: p.plain.n, Packed: pack, Newest: w.newest}
	if err := f.Publish(c.blobFile(r.Digest), 0o644); err != nil {
		return nil, err
	}
	// The record is written last, so that find returns only complete layers.
	if w.facts != nil {
		if err := c.write(c.factsFile(key), w.facts); err != nil {
			return nil, err
		}
	}
	return r, c.write(c.recordFile(key), r)
}

func (c *cache) write(file string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replaceFile(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
