package cli

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"nix2gpu/rundir"
)

// above yields the current folder and its parents. Like git's search, it stops at
// the root of the file system.
func (e *Env) above() iter.Seq[string] {
	return func(yield func(string) bool) {
		device := deviceOf(e.Dir)
		for dir := e.Dir; yield(dir); dir = filepath.Dir(dir) {
			if up := filepath.Dir(dir); up == dir || deviceOf(up) != device {
				return
			}
		}
	}
}

// discoverAbove finds the definitions of the nearest folder that has one.
func discoverAbove(env *Env) ([]located, error) {
	for dir := range env.above() {
		found, err := definitionsIn(env, dir)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		file := filepath.Join(dir, found[0].files[0])
		if dir != env.Dir && !env.trusts(dir, file) {
			return nil, hint(usageError("%s belongs to another user, and you are in a folder below it", file),
				"to run it all the same, name it: %s up %s", env.name(), file)
		}
		return found, nil
	}
	return nil, hint(usageError("no definition in %s or a folder above it", env.Dir),
		"write a nix2gpu.nix or flake.nix there, or name one: %s up FILE", env.name())
}

// home is the folder that a verb is about when none is named: the nearest one that
// has a definition, or in which a project runs that was started by name.
func (e *Env) home() string {
	for dir := range e.above() {
		if found, _ := definitionsIn(e, dir); len(found) > 0 || runs(e.rundirEnv(), dir) {
			return dir
		}
	}
	return e.Dir
}

// runs reports whether a project of the folder runs that keeps its state there.
func runs(renv rundir.Env, dir string) bool {
	entries, _ := os.ReadDir(filepath.Join(dir, ".nix2gpu"))
	return slices.ContainsFunc(entries, func(entry os.DirEntry) bool {
		return entry.IsDir() && rundir.Locate(renv, entry.Name(), dir).Holder() != 0
	})
}

// trusts reports whether each file belongs to somebody whose programs we would run
// anyway: to us, to root, or to the owner of the current folder. Strangers may write
// to parent folders, such as /tmp.
func (e *Env) trusts(files ...string) bool {
	here, _ := ownerOf(e.Dir)
	return !slices.ContainsFunc(files, func(file string) bool {
		owner, ok := ownerOf(file)
		return !ok || owner != 0 && owner != uint32(e.UID) && owner != here
	})
}

func ownerOf(path string) (uid uint32, ok bool) {
	var st syscall.Stat_t
	err := syscall.Stat(path, &st)
	return st.Uid, err == nil
}

func deviceOf(path string) uint64 {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return 0
	}
	return st.Dev
}

// isFolder reports whether a word that could be a service's name means a folder:
// there is a folder of that name with a definition, and the definition here has no
// such service.
func (t *target) isFolder(ctx context.Context, env *Env, word string) bool {
	dir := env.path(word)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false
	}
	if found, _ := definitionsIn(env, dir); len(found) == 0 {
		return false
	}
	if _, err := discoverAbove(env); err != nil && !env.isBaked() {
		return true // nothing is defined here that could have a service
	}
	l, err := (&target{container: t.container}).load(ctx, env)
	if err != nil {
		return false // the definition is in error, which is reported when it is used
	}
	_, err = l.project.Resolve(word)
	return err != nil
}
