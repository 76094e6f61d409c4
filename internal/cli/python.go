package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"nix2gpu/cache"
	"nix2gpu/image"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/wheel"
	"nix2gpu/wheel/index"
)

// indexFlags say where wheels come from.
type indexFlags struct {
	index string
	extra []string
}

func (f *indexFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.index, "index-url", "", "`URL` of the index of Python packages; default: the requirements file's, or else $PIP_INDEX_URL, or else "+index.Default)
	cmd.Flags().StringArrayVar(&f.extra, "extra-index-url", nil, "`URL` of a further index; also $PIP_EXTRA_INDEX_URL")
	for _, name := range []string{"index-url", "extra-index-url"} {
		cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// A wheelhouse downloads the wheels of several containers.
type wheelhouse struct{ clients map[string]*index.Client } // by the lock's name of the container

// wheelhouse opens the indexes of those containers that have requirements. The
// caller must close it.
func (f *archiveFlags) wheelhouse(ctx context.Context, env *Env, containers ...*loaded) (*wheelhouse, error) {
	h := &wheelhouse{map[string]*index.Client{}}
	for _, l := range containers {
		if l.python == nil {
			continue
		}
		client, err := f.wheels(ctx, env, l)
		if err != nil {
			return nil, errors.Join(err, h.Close())
		}
		h.clients[l.lockName()] = client
	}
	return h, nil
}

// wheels opens the indexes of a container. As with pip, a requirements file takes
// precedence over the environment; flags take precedence over both.
func (f *archiveFlags) wheels(ctx context.Context, env *Env, l *loaded) (*index.Client, error) {
	dir, err := cache.Locate(env.Getenv)
	if err != nil {
		return nil, err
	}
	wrong := func(err error) error {
		return &exitError{exitUsage, fmt.Errorf("%s: %w", l.python.Pos, err)}
	}
	opts := index.Options{Cache: dir, Offline: f.offline, Now: env.Now, Index: f.indexes.index, Progress: env.progressOf("downloading wheels"),
		Stall: f.stall(), Retries: f.retries}
	if opts.Index == "" {
		if opts.Index, err = expand(env, l.python.Index); err != nil {
			return nil, wrong(err)
		}
	}
	opts.Index = orElse(opts.Index, env.Getenv("PIP_INDEX_URL"))
	opts.Extra = slices.Concat(f.indexes.extra, strings.Fields(env.Getenv("PIP_EXTRA_INDEX_URL")))
	for _, url := range l.python.Extra {
		if url, err = expand(env, url); err != nil {
			return nil, wrong(err)
		}
		opts.Extra = append(opts.Extra, url)
	}
	opts.NoIndex = l.python.NoIndex
	for _, dir := range l.python.Folders {
		opts.Folders = append(opts.Folders, absolute(l.root, dir))
	}
	client, err := index.New(ctx, opts)
	if err != nil {
		return nil, wrong(err)
	}
	return client, nil
}

var variable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`) })

// expand replaces ${NAME} in the URL of an index by the variable, as pip does, so
// that a requirements file need not hold a password.
func expand(env *Env, url string) (string, error) {
	var missing string
	out := variable().ReplaceAllStringFunc(url, func(text string) string {
		name := text[2 : len(text)-1]
		if env.Getenv(name) == "" {
			missing = name
		}
		return env.Getenv(name)
	})
	if missing != "" {
		return "", fmt.Errorf("the URL of the index has ${%s}, which is not set\nhint: export %s=…", missing, missing)
	}
	return out, nil
}

// Close closes the indexes of all containers.
func (h *wheelhouse) Close() error {
	var errs []error
	for _, c := range h.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// requirements returns the containers' requirements, for [lock.Options].
func (h *wheelhouse) requirements(containers ...*loaded) map[string]lock.Requirements {
	out := map[string]lock.Requirements{}
	for _, l := range containers {
		if c := h.clients[l.lockName()]; c != nil {
			out[l.lockName()] = lock.Requirements{Requirements: l.python, Source: c}
		}
	}
	return out
}

// images downloads the locked wheels of a container, and returns them for its image.
func (h *wheelhouse) images(ctx context.Context, container string, locked []wheel.Locked) ([]image.Wheel, error) {
	client := h.clients[container]
	if client == nil {
		return nil, nil
	}
	if err := client.Fetch(ctx, locked); err != nil {
		return nil, err
	}
	var out []image.Wheel
	for _, l := range locked {
		out = append(out, image.Wheel{Locked: l, Open: func(ctx context.Context) (image.WheelFile, error) {
			f, err := client.Open(ctx, l)
			if err != nil { // a nil *os.File would be a non-nil interface
				return nil, err
			}
			return f, nil
		}})
	}
	return out, nil
}

// wantPython adds Debian's Python to the wants of a container that has wheels.
func (l *loaded) wantPython(wants []lock.Want) []lock.Want {
	if l.python == nil || slices.ContainsFunc(wants, func(w lock.Want) bool { return w.Name == lock.Python }) {
		return wants
	}
	return append(wants, lock.Want{Name: lock.Python, Attr: lock.Python, Pos: l.python.Pos})
}

// programs returns the programs in the wheels of a container: those that the lock
// lists or, without a lock, the names of the requirements as a guess.
func (l *loaded) programs(file *lock.File) []string {
	if l.python == nil {
		return nil
	}
	if file != nil {
		if list := file.Programs(l.lockName()); len(list) > 0 {
			return list
		}
	}
	var names []string
	for _, line := range l.python.Lines {
		names = append(names, line.Name)
	}
	return names
}

// copied returns the programs that copyToRoot puts into the image: an executable
// file goes to /usr/local/bin, and the content of a folder to the root.
func (l *loaded) copied() []string {
	var names []string
	for _, text := range l.project.Container.CopyToRoot {
		if len(text) == 0 || text[0].Root == nil || len(text) > 1 {
			continue // a package is known elsewhere; build rejects anything else
		}
		file := filepath.Join(l.root, *text[0].Root)
		info, err := os.Stat(file)
		switch {
		case err != nil: // build reports it
		case !info.IsDir():
			if info.Mode()&0o111 != 0 {
				names = append(names, filepath.Base(file))
			}
		default:
			for _, dir := range []string{"bin", "usr/bin", "usr/local/bin"} {
				entries, _ := os.ReadDir(filepath.Join(file, dir)) // an error means that there is no such folder
				for _, e := range entries {
					names = append(names, e.Name())
				}
			}
		}
	}
	return names
}

// writeWords warns of programs that commands name but nothing in the image is known
// to contain, and of CUDA that the image would have twice.
func (l *loaded) writeWords(env *Env, file *lock.File) {
	provided := append(l.programs(file), l.copied()...)
	for _, w := range packages.BareWords(l.project).Unknown {
		if !slices.Contains(provided, w.Word) {
			cure := fmt.Sprintf("it can come from systemPackages, from copyToRoot, from a wheel of python.requirements, or from a volume at %s/bin",
				orElse(l.project.Container.WorkingDir, image.DefaultWorkingDir))
			if attr := packages.Owner(w.Word); attr != "" && packages.Lookup(attr).Wheel != "" {
				cure = fmt.Sprintf("it comes as a wheel: name %q, and what it needs, in a file, and the file by python.requirements = ./requirements.txt", packages.Lookup(attr).Wheel)
			}
			writeWarning(env, w.Pos, fmt.Sprintf("the image may lack the program %q: no package is known that has it", w.Word), cure)
		}
	}
	cuda, ok := asksNVIDIA(l.project)
	if l.python == nil || !ok {
		return
	}
	var first *wheel.Line
	n := 0
	for i, line := range l.python.Lines {
		version := ""
		if line.Specs.Pinned() {
			version = line.Specs[0].Text
		}
		if wheel.BringsCUDA(line.Name, version) {
			if n++; first == nil {
				first = &l.python.Lines[i]
			}
		}
	}
	if first != nil {
		more := ""
		if n > 1 {
			more = fmt.Sprintf(", with %d more,", n-1)
		}
		writeWarning(env, first.Pos, fmt.Sprintf("%s%s brings CUDA, and cudaPackages (%s) brings it too: the image has it twice", first.Name, more, cuda),
			"leave out cudaPackages, unless a program that is no wheel needs it")
	}
}

func writeWarning(env *Env, pos project.Pos, text, cure string) {
	place := pos.String()
	if place != "" {
		place += ": "
	}
	fmt.Fprintf(env.Stderr, "%swarning: %s\nhint: %s\n", place, text, cure)
}

// writeHostPython says that python.requirements has no effect outside an image. In a
// virtual environment it is silent, because somebody has installed wheels there.
func (l *loaded) writeHostPython(env *Env) {
	if l.python == nil || l.baked || env.Getenv("VIRTUAL_ENV") != "" {
		return
	}
	venv := within(env.Dir, absolute(l.root, ".venv"))
	fmt.Fprintf(env.Stderr, "%s: note: the wheels of python.requirements are in images only; here programs are those of PATH\nhint: python3 -m venv %s && . %s/bin/activate && pip install -r %s\n",
		l.python.Pos, venv, venv, within(env.Dir, absolute(l.root, l.python.File)))
}
