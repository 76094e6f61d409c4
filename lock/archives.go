package lock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nix2gpu/download"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// lockArchives locks the files of a container's software that is not a Debian package,
// and returns their URLs by attribute. The digest is the definition's, or else the
// lock's, or else that of the downloaded file, if [Options.Believe] allows that.
func (u *updater) lockArchives(ctx context.Context, container, arch string) (map[string]string, error) {
	var out map[string]string
	_, err := each(u.opts.Archives[container], func(a packages.Archive) (Archive, error) {
		file, err := u.lockArchive(ctx, a, arch)
		if err == nil {
			if out == nil {
				out = map[string]string{}
			}
			u.archives[file.URL], out[a.Attr] = file, file.URL
		}
		return file, err
	})
	return out, err
}

func (u *updater) lockArchive(ctx context.Context, a packages.Archive, arch string) (Archive, error) {
	bad := func(hint, format string, args ...any) error {
		return &project.Error{Pos: a.Pos, Msg: fmt.Sprintf(format, args...), Hint: hint}
	}
	url, want := packages.For(a.URL, arch), packages.For(a.SHA256, arch)
	if url == "" {
		return Archive{}, bad("add an address for that architecture", "package %q has no candidate for %s: archives.%s.url is for %s", a.Attr, arch, a.Attr, strings.Join(a.Arches(), " and "))
	}
	if have, ok := u.archives[url]; ok {
		if want != "" && want != have.SHA256 {
			return Archive{}, bad("keep one of them", "two digests for %s: archives.%s.sha256 is %s, and another is %s", url, a.Attr, want, have.SHA256)
		}
		return have, nil
	}
	anew := want == "" && (u.opts.UpdateAll || slices.Contains(u.opts.Update, a.Attr))
	if old := u.old.archive(url); old != nil && !anew && (want == "" || want == old.SHA256) {
		return *old, nil
	}
	if want == "" && !u.opts.Believe {
		return Archive{}, bad("nix2gpu lock, which writes down what it finds; or set archives."+a.Attr+".sha256",
			"the file of package %q cannot be verified: archives.%s has no sha256, and %s knows none", a.Attr, a.Attr, Name)
	}
	if u.opts.Frozen { // the error of a frozen lock lists what would change
		return Archive{url, cmp.Or(want, "not known"), 0}, nil
	}
	f, err := u.opts.Learn(ctx, url, want)
	if err != nil {
		return Archive{}, ExplainArchive(a, err)
	}
	return Archive{f.URL, f.SHA256, f.Size}, nil
}

// ExplainArchive adds the cure to an error about the file of an archive.
func ExplainArchive(a packages.Archive, err error) error {
	var changed *download.ChangedError
	if !errors.As(err, &changed) {
		return err
	}
	hint := fmt.Sprintf("if its vendor says that it has changed: nix2gpu lock --update %s", a.Attr)
	if len(a.SHA256) > 0 {
		hint = fmt.Sprintf("if its vendor says that it has changed: change archives.%s.sha256", a.Attr)
	}
	return &project.Error{Pos: a.Pos, Msg: changed.Error(), Hint: hint}
}
