package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"nix2gpu/project"
	"nix2gpu/safefile"
	"nix2gpu/secret"
)

// makeDir makes a folder and gives it to its user. A folder that exists is given
// away only if it is empty, because what is in it may belong to anybody.
func (s *Stage) makeDir(p *project.Project, d project.Dir, user *account) error {
	path, err := s.path(p, d.Path)
	if err != nil {
		return err
	}
	owner := user
	if d.Owner != "" {
		if owner, err = s.user(p, d.Owner); err != nil {
			return err
		}
	}
	mode, err := parseMode(d.Mode, 0o755)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := makeParents(filepath.Dir(path)); err != nil {
			return makeError(path, err)
		}
		// Another process of the same service may make it at the same moment.
		if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return makeError(path, err)
		}
		// By descriptor: the folder around it may belong to a service, which could
		// put a link in its place to make us change something else.
		made, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			return makeError(path, err)
		}
		defer made.Close()
		if s.root {
			if err := made.Chown(int(owner.uid), int(owner.gid)); err != nil {
				return fileError(BadFolder, fmt.Sprintf("cannot give to user %q", owner), path, err)
			}
		}
		if err := made.Chmod(mode); err != nil { // whatever the umask is
			return makeError(path, err)
		}
	case err != nil:
		return makeError(path, err)
	case !info.IsDir():
		return &Error{Kind: BadFolder, Msg: fmt.Sprintf("%q must be a folder, but is a file", path), Hint: "move the file away"}
	case s.root && ownerOf(info) != owner.uid && isEmpty(path):
		if err := s.give(path, owner); err != nil {
			return err
		}
	default:
		if err := unusable(path, info, owner); err != nil {
			return err
		}
	}
	if folder := owner.closed(path); folder != "" {
		return closedError("folder", path, folder, owner)
	}
	return nil
}

// CheckDir returns why a process can't have a folder: it lies in one that is closed
// to the user, or it exists, is not empty, and the user may not write to it.
func (s *Stage) CheckDir(p *project.Project, proc *project.Process, d project.Dir) error {
	user, err := s.userOf(p, proc)
	if err != nil {
		return nil // another check reports that
	}
	path, err := s.path(p, d.Path)
	if err != nil {
		return nil
	}
	owner := user
	if d.Owner != "" {
		if owner, err = s.user(p, d.Owner); err != nil {
			return nil
		}
	}
	ours := strings.HasPrefix(path, s.at.Run+"/") || strings.HasPrefix(path, s.at.State+"/") // a start opens them
	if folder := owner.closed(path); folder != "" && !ours && !s.begun(p, proc, folder) {
		return closedError("folder", path, folder, owner)
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() || s.root && ownerOf(info) != owner.uid && isEmpty(path) {
		return nil
	}
	return unusable(path, info, owner)
}

// begun reports whether a start was killed after it had made a folder of the process, and
// before it gave that away: the next one does.
func (s *Stage) begun(p *project.Project, proc *project.Process, folder string) bool {
	for _, d := range proc.Dirs {
		path, err := s.path(p, d.Path)
		if err != nil || path != folder {
			continue
		}
		info, err := os.Lstat(path)
		return err == nil && s.root && info.IsDir() && ownerOf(info) == 0 && isEmpty(path)
	}
	return false
}

// unusable returns an error if the user can't work in a folder that exists.
func unusable(path string, info os.FileInfo, owner *account) error {
	if !owner.may(info, 7) {
		return &Error{Kind: BadFolder, Msg: fmt.Sprintf("user %q cannot write to folder %q", owner, path),
			Hint: fmt.Sprintf("chown -R %s %s", owner, path)}
	}
	return nil
}

// makeParents makes the folders on the way. They lead to what belongs to other
// users, so everybody may pass through them, whatever our umask is.
func makeParents(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeParents(parent); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) { // somebody was faster
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

func makeError(path string, err error) error {
	e := fileError(BadFolder, "cannot make folder", path, err)
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Hint = "make it writable, or keep the data elsewhere with dataDir"
	case errors.Is(err, syscall.EROFS):
		e.Hint = "mount a writable volume there, or keep the data elsewhere with dataDir"
	case errors.Is(err, syscall.ENOSPC):
		e.Hint = "free some disk space"
	}
	return e
}

func (s *Stage) give(path string, to *account) error {
	if !s.root {
		return nil
	}
	if err := os.Lchown(path, int(to.uid), int(to.gid)); err != nil {
		return fileError(BadFolder, fmt.Sprintf("cannot give to user %q", to), path, err)
	}
	return nil
}

func ownerOf(info os.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid
	}
	return 0
}

func isEmpty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == io.EOF
}

// writeFile writes one of a process's files.
func (s *Stage) writeFile(p *project.Project, f *project.File, user *account) error {
	path, err := s.path(p, f.Path)
	if err != nil {
		return err
	}
	owner := user
	if f.Owner != "" {
		if owner, err = s.user(p, f.Owner); err != nil {
			return err
		}
	}
	if len(f.Source) > 0 {
		err = s.lend(p, path, f, owner)
	} else {
		var content string
		if content, err = s.resolve(p, f.Content, escaping(f.Escape), 0); err != nil {
			return err
		}
		err = s.putText(path, f.Content, content, f.Mode, owner)
	}
	if err != nil {
		return err
	}
	if folder := user.closed(path); folder != "" {
		return closedError("file", path, folder, user)
	}
	return nil
}

// maxLent bounds the size of a file that is lent by a copy, in bytes.
const maxLent = 16 << 20

// lend makes path stand for a file of the user's. If the owner may read that file,
// path is a link, so that a renewed certificate is seen at once; else it is a copy,
// for which we read the file with our own rights at each start.
func (s *Stage) lend(p *project.Project, path string, f *project.File, owner *account) error {
	source, err := s.path(p, f.Source)
	if err != nil {
		return err
	}
	info, err := os.Stat(source)
	if err != nil {
		e := fileError(BadFile, "cannot read file", source, err)
		if errors.Is(err, fs.ErrNotExist) {
			e.Hint = "make it, or correct its path"
		}
		return e
	}
	if !s.root || owner.may(info, 4) && owner.closed(source) == "" {
		return link(path, source)
	}
	data, err := safefile.ReadNamed(source, maxLent)
	if err != nil {
		return fileError(BadFile, "cannot read file", source, err)
	}
	if s.at.Secrets == "" && !secret.InMemory(source) { // it is on a disk anyway
		return s.put(path, string(data), f.Mode, owner)
	}
	return s.putAside(path, string(data), f.Mode, owner)
}

// link makes path a link to target, by renaming.
func link(path, target string) error {
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	dir := filepath.Dir(path)
	if err := makeParents(dir); err != nil {
		return makeError(dir, err)
	}
	tmp, err := os.MkdirTemp(dir, ".new-*")
	if err != nil {
		return writeError(path, err)
	}
	defer os.RemoveAll(tmp) // empty after the rename
	fresh := filepath.Join(tmp, "link")
	if err = os.Symlink(target, fresh); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return writeError(path, err)
	}
	return nil
}

// put makes path hold content, by renaming, so that a reader sees either the old or
// the new file and never half of one. A file that is right already is not touched.
// A nil owner means us.
func (s *Stage) put(path, content, mode string, owner *account) error {
	perm, err := parseMode(mode, 0o644)
	if err != nil {
		return err
	}
	if owner == nil {
		owner = &account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	}
	if isRight(path, content, perm, owner, s.root) {
		return nil
	}
	dir := filepath.Dir(path)
	if err := makeParents(dir); err != nil {
		return makeError(dir, err)
	}
	f, err := safefile.Create(dir)
	if err != nil {
		return writeError(path, err)
	}
	defer f.Close() // without Publish, that removes it
	_, err = f.WriteString(content)
	// The mode comes last: a change of owner takes setuid away.
	if err == nil && s.root {
		err = f.Chown(int(owner.uid), int(owner.gid))
	}
	if err == nil {
		err = f.Publish(path, perm)
	}
	if err != nil {
		return writeError(path, err)
	}
	return nil
}

func writeError(path string, err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		err = link.Err
	}
	return fileError(BadFile, "cannot write file", path, err)
}

func isRight(path, content string, perm os.FileMode, owner *account, root bool) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode() != perm || info.Size() != int64(len(content)) {
		return false
	}
	if root && ownerOf(info) != owner.uid {
		return false
	}
	f, err := safefile.Peek(path) // it may be something else by now
	if err != nil {
		return false
	}
	defer f.Close()
	have, err := io.ReadAll(io.LimitReader(f, info.Size()+1))
	return err == nil && bytes.Equal(have, []byte(content))
}

func parseMode(text string, unset os.FileMode) (os.FileMode, error) {
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, &Error{Kind: BadText, Msg: fmt.Sprintf("mode %q must be octal, such as \"0644\"", text)}
	}
	mode := os.FileMode(n & 0o777)
	for bit, flag := range map[uint64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if n&bit != 0 {
			mode |= flag
		}
	}
	return mode, nil
}

// checkDir makes sure that a process can start in dir.
func checkDir(dir string, user *account) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Kind: BadFolder, Msg: fmt.Sprintf("working folder %q does not exist", dir), Hint: "mkdir -p " + dir, Path: dir, cause: err}
	case err != nil:
		return fileError(BadFolder, "cannot use working folder", dir, err)
	case !info.IsDir():
		return &Error{Kind: BadFolder, Msg: fmt.Sprintf("working folder %q is a file", dir), Hint: "name a folder with working_dir"}
	case !user.may(info, 1):
		return closedError("working folder", dir, dir, user)
	}
	if folder := user.closed(dir); folder != "" {
		return closedError("working folder", dir, folder, user)
	}
	return nil
}
