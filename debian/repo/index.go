package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/klauspost/compress/gzip"
	"github.com/xi2/xz"

	"nix2gpu/debian"
	"nix2gpu/download"
)

// An Origin names the state of an archive that an index was made from.
type Origin struct {
	Archive, Suite string
	InRelease      string // SHA-256 of the signed file
	Date           time.Time
}

// An IndexError says why the index of an archive can't be used.
type IndexError struct {
	Archive Archive
	Err     error
}

func (e *IndexError) Error() string {
	text := fmt.Sprintf("cannot use the index of %q at %s: %v", e.Archive.Suite, e.Archive.URL, e.Err)
	if e.Archive.From != "" {
		text = e.Archive.From + ": " + text
	}
	return text
}

func (e *IndexError) Unwrap() error { return e.Err }

// Index returns what all archives have for one architecture. Tables are cached by the
// digest of the file that they were made from, so an unchanged one is not parsed
// again.
func (c *Client) Index(ctx context.Context, arch string) (*debian.Index, []Origin, error) {
	type answer struct {
		tables []*debian.Table
		origin Origin
		err    error
	}
	archives := slices.DeleteFunc(slices.Clone(c.opts.Archives), func(a Archive) bool { return !a.serves(arch) })
	answers := make([]answer, len(archives))
	var wg sync.WaitGroup
	for i, a := range archives {
		wg.Go(func() {
			out := &answers[i]
			out.tables, out.origin, out.err = c.archive(ctx, a, arch)
		})
	}
	wg.Wait()
	var tables []*debian.Table
	var origins []Origin
	var errs []error
	for _, a := range answers {
		tables, origins = append(tables, a.tables...), append(origins, a.origin)
		if a.err != nil {
			errs = append(errs, a.err)
		}
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	return debian.NewIndex(arch, tables...), origins, nil
}

// archive reads one suite, from the first of its roots that has it. The error names
// what is wrong with each root.
func (c *Client) archive(ctx context.Context, a Archive, arch string) ([]*debian.Table, Origin, error) {
	var errs []error
	for _, root := range a.roots() {
		tables, origin, err := c.archiveAt(ctx, a, root, arch)
		if err == nil || ctx.Err() != nil {
			return tables, origin, err
		}
		at := a
		at.URL = root
		errs = append(errs, &IndexError{at, err})
		if c.opts.Offline {
			break // in the cache, all roots are the same
		}
	}
	return nil, Origin{}, errors.Join(errs...)
}

func (c *Client) archiveAt(ctx context.Context, a Archive, root, arch string) ([]*debian.Table, Origin, error) {
	signed, r, err := c.release(ctx, a, root)
	if err != nil {
		return nil, Origin{}, err
	}
	sum := sha256.Sum256(signed)
	origin := Origin{a.Name, a.Suite, hex.EncodeToString(sum[:]), r.date}
	var tables []*debian.Table
	for _, dir := range packageDirs(a, r, arch) {
		t, err := c.table(ctx, a, root, r, dir)
		if err != nil {
			return nil, Origin{}, err
		}
		tables = append(tables, t)
	}
	return tables, origin, nil
}

// packageDirs returns the folders, below that of the Release, whose Packages files are
// read. Packages of architecture "all" are in a file of their own if the Release
// lists "all" and does not say that the other files have them too.
func packageDirs(a Archive, r *release, arch string) []string {
	if strings.HasSuffix(a.Suite, "/") {
		return []string{""}
	}
	apart := slices.Contains(strings.Fields(r.stanza.Get("Architectures")), "all") &&
		!slices.Contains(strings.Fields(r.stanza.Get("No-Support-for-Architecture-all")), "Packages")
	var dirs []string
	for _, component := range a.Components {
		dirs = append(dirs, component+"/binary-"+arch+"/")
		if apart {
			dirs = append(dirs, component+"/binary-all/")
		}
	}
	return dirs
}

// dir returns the URL of the folder of an archive's Release below a root, with a slash
// at its end.
func (a Archive) dir(root string) string {
	if flat, ok := strings.CutSuffix(a.Suite, "/"); ok {
		if flat = strings.TrimPrefix(flat+"/", "./"); flat == "/" {
			flat = ""
		}
		return root + "/" + flat
	}
	return root + "/dists/" + a.Suite + "/"
}

// accepted returns the name in the cache for the newest InRelease of an archive that
// these keys have signed. Mirrors share it, so that none can present an older state
// than another one did.
func (a Archive) accepted() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%q\n", a.URL, a.Suite, a.Keys.only)
	h.Write(a.Keys.text)
	return hex.EncodeToString(h.Sum(nil)) + ".InRelease"
}

// release downloads, verifies and parses an archive's InRelease.
func (c *Client) release(ctx context.Context, a Archive, root string) (signed []byte, r *release, err error) {
	last, err := os.ReadFile(c.cache.Path(indexFolder, a.accepted()))
	if err != nil {
		last = nil // none was accepted yet, or it can't be read
	}
	if c.opts.Offline {
		if last == nil {
			return nil, nil, &OfflineError{"the index"}
		}
		signed = last
	} else if page, err := c.download.Page(ctx, a.dir(root)+"InRelease", "", largestInRelease); err == nil {
		signed = page.Data
	} else {
		switch {
		case download.IsGone(err) && a.Name == Security:
			err = fmt.Errorf("%w\nhint: the security archive is looked for beside the mirror, with \"-security\" behind its name", err)
		case download.IsGone(err):
			err = fmt.Errorf("%w\nhint: the URL must be that of the folder which has %s in it", err, strings.TrimPrefix(a.dir(""), "/"))
		default:
			err = refused(err)
		}
		return nil, nil, err
	}
	now := c.opts.Now()
	text := signed
	if bytes.Equal(signed, last) {
		text = plaintext(signed) // it was verified when it was accepted
	} else if text, err = Verify(signed, a.Keys, now); err != nil {
		cure := "take another mirror with --mirror, or name the archive's own keys with --keyring FILE"
		if a.Name != Main && a.Name != Security {
			if known, failed := a.Keys.Fingerprints(); failed == nil {
				err = fmt.Errorf("%w; known: %s", err, strings.Join(known, ", "))
			}
			if cure = a.KeyCure; cure == "" {
				cure = fmt.Sprintf("give the key that its vendor publishes by aptSources.%s.key", a.Name)
			}
		}
		return nil, nil, fmt.Errorf("%w\nhint: %s", err, cure)
	}
	if r, err = parseRelease(text); err != nil {
		return nil, nil, err
	}
	if err := r.check(a.Suite, now, a.Expires && !c.opts.Offline); err != nil {
		return nil, nil, err
	}
	if last != nil && !bytes.Equal(signed, last) {
		if before, err := parseRelease(plaintext(last)); err == nil && r.date.Before(before.date) {
			return nil, nil, fmt.Errorf("it is of %s, older than that of %s seen before: it is being replayed, or the mirror has fallen behind\nhint: try again later, or take another mirror with --mirror",
				stamp(r.date), stamp(before.date))
		}
	}
	if !bytes.Equal(signed, last) {
		if err := c.cache.Write(indexFolder, a.accepted(), signed); err != nil {
			return nil, nil, err
		}
	}
	c.cache.Used(indexFolder, a.accepted(), now)
	return signed, r, nil
}

// table returns the table of a Packages file, from the cache or made anew.
func (c *Client) table(ctx context.Context, a Archive, root string, r *release, dir string) (*debian.Table, error) {
	for {
		t, err := c.tableOnce(ctx, a, root, r, dir)
		// Another program has made the table and removed its source.
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			return t, err
		}
	}
}

func (c *Client) tableOnce(ctx context.Context, a Archive, root string, r *release, dir string) (*debian.Table, error) {
	found, err := r.find(dir+"Packages", dir+"Packages.gz", dir+"Packages.xz")
	if err != nil {
		return nil, err
	}
	plain, packed := found[0], found[1]
	if packed.name == "" {
		packed = found[2]
	}
	if packed.name == "" {
		packed = plain
	}
	if packed.name == "" {
		return nil, fmt.Errorf("it has no packages in %q: it names %s", strings.TrimSuffix(dir, "/"), r.stanza.Get("Architectures"))
	}
	word := sha256.Sum256([]byte(a.Name))
	key := packed.sha256 + "-" + hex.EncodeToString(word[:4]) + ".table"
	if text, err := readText(c.cache.Path(indexFolder, key)); err == nil {
		if t, err := debian.OpenTable(text); err == nil { // a damaged one is made again
			c.cache.Used(indexFolder, key, c.opts.Now())
			return t, nil
		}
	}
	if c.opts.Offline {
		return nil, &OfflineError{"the index"}
	}
	place := c.cache.Path(indexFolder, packed.sha256+".packages")
	if !download.Have(place, packed.size) {
		url := a.dir(root) + packed.name
		if r.byHash {
			url = a.dir(root) + dir + "by-hash/SHA256/" + packed.sha256
		}
		if err := c.download.Fetch(ctx, download.File{URL: url, Size: packed.size, SHA256: packed.sha256}, place); err != nil {
			return nil, err
		}
	}
	t, err := readTable(place, packed, plain, a.Name)
	if err != nil {
		return nil, err
	}
	if err := c.cache.Write(indexFolder, key, []byte(t.Encoded())); err != nil {
		return nil, err
	}
	if err := os.Remove(place); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, c.cache.Explain(err)
	}
	return t, nil
}

// readText reads a large file into a string, without a second copy of it.
func readText(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	_, err = io.CopyBuffer(struct{ io.Writer }{&text}, struct{ io.Reader }{f}, make([]byte, 256<<10))
	return text.String(), err
}

// readTable decompresses a Packages file of the cache. It must not exceed the size in
// the Release.
func readTable(place string, packed, plain listed, archive string) (*debian.Table, error) {
	f, err := os.Open(place)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	switch {
	case strings.HasSuffix(packed.name, ".gz"):
		r, err = gzip.NewReader(r)
	case strings.HasSuffix(packed.name, ".xz"):
		r, err = xz.NewReader(r, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", packed.name, err)
	}
	if plain.name != "" {
		r = &bounded{r, plain.size}
	} else {
		r = &bounded{r, 100 * packed.size}
	}
	text := readAhead(r, 256<<10, 8)
	defer text.Close()
	t, err := debian.ReadPackages(text, archive)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", packed.name, err)
	}
	return t, nil
}

// bounded fails once more is read than allowed.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it unpacks to more than the Release says")
	}
	return n, err
}

// plaintext returns the text of a signed file that was verified before.
func plaintext(signed []byte) []byte {
	if block, _ := clearsign.Decode(signed); block != nil {
		return block.Plaintext
	}
	return nil
}
