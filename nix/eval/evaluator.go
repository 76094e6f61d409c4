package eval

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime/debug"
	"runtime/metrics"

	"nix2gpu/nix/syntax"
)

// FS is how an evaluation sees files. Paths are absolute and clean. A missing
// file is reported with an error that wraps fs.ErrNotExist.
type FS interface {
	// ReadFile reads a regular file. It must not wait for another program, nor
	// read without end: devices and pipes are errors, and so is a file that is
	// too big, by one that wraps ErrTooBig.
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)  // follows symbolic links
	Lstat(path string) (fs.FileInfo, error) // does not
	ReadLink(path string) (string, error)
}

// ErrTooBig says that a file is bigger than an FS reads.
var ErrTooBig = errors.New("the file is too big")

// Options tunes an Evaluator. The zero value is ready to use: it evaluates
// without files, environment variables and clock.
type Options struct {
	FS            FS                       // nil: there are no files
	CurrentSystem string                   // default: x86_64-linux
	Getenv        func(name string) string // nil: every variable is empty
	Now           func() int64             // seconds since 1970; nil: currentTime is not supported
	Home          string                   // what ~/ stands for; "": an error
	SearchPath    []SearchEntry            // where <name> is looked for
	TraceTo       io.Writer                // output of builtins.trace and warn; nil: discarded
	MaxDepth      int                      // of nested calls; default: 10,000
	MaxSteps      int64                    // of calls and forced values; 0: no limit
	MaxMemory     int64                    // bytes that the heap of the whole program may have; 0: no limit

	// Builtins come in addition to the built-in ones, or replace them.
	Builtins []*Builtin
	// Globals are names that every file knows beside those of the language.
	Globals map[string]Value
	// ToFile makes what builtins.toFile gives: a string that stands for the
	// path of a file. nil: toFile is not supported.
	ToFile func(t *Thread, name string, content *String) Value
	// DisplayPath says how messages name a file; nil: by its path.
	DisplayPath func(path string) string
}

// SearchEntry says where <Prefix/…> is; with an empty Prefix, <x> is looked
// for in the folder Path.
type SearchEntry struct{ Prefix, Path string }

func (o *Options) setDefaults() {
	o.CurrentSystem = cmp.Or(o.CurrentSystem, "x86_64-linux")
	o.MaxDepth = cmp.Or(o.MaxDepth, 10_000)
	if o.TraceTo == nil {
		o.TraceTo = io.Discard
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.DisplayPath == nil {
		o.DisplayPath = func(path string) string { return path }
	}
}

// Scope is what a file may refer to beside the names of the language, such as
// pkgs. Values may be thunks.
type Scope map[string]Value

// An Evaluator evaluates files and expressions.
type Evaluator struct {
	opts    Options
	thread  *Thread
	globals map[string]Value
	imports map[string]*Thunk         // by path, for import
	sources map[*syntax.Source]string // the paths of the files behind positions
	regexes map[string]*posixRegex    // by text

	height               int // see limitStack
	maxForcing, maxCalls int
}

// New makes an evaluator.
func New(opts Options) *Evaluator {
	opts.setDefaults()
	ev := &Evaluator{
		opts:    opts,
		imports: map[string]*Thunk{},
		sources: map[*syntax.Source]string{},
		regexes: map[string]*posixRegex{},
	}
	ev.limitStack(1)
	ev.thread = &Thread{ev: ev, site: topSite}
	ev.globals = ev.makeGlobals()
	return ev
}

// maxStack is what the Go stack may grow to. The limits of nesting keep it far
// below, but a stack is doubled when it is full.
const maxStack = 1 << 30

// Do calls f inside an evaluation that ends at the latest with ctx, and
// returns the *Error that ended it. It may not be called inside another Do.
func (ev *Evaluator) Do(ctx context.Context, f func(t *Thread)) error {
	t := ev.thread
	if t.ctx != nil {
		return errors.New("an evaluation is already running")
	}
	t.ctx = ctx
	defer func() { t.ctx = nil }()
	if old := debug.SetMaxStack(maxStack); old > maxStack {
		debug.SetMaxStack(old)
	}
	return t.Try(func() {
		t.checkContext()
		f(t)
	})
}

// EvalFile evaluates the expression in a file, to the point where its type is
// known. A folder stands for its default.nix.
func (ev *Evaluator) EvalFile(ctx context.Context, path string, scope Scope) (v Value, err error) {
	err = ev.Do(ctx, func(t *Thread) { v = t.EvalFile(path, scope) })
	return v, err
}

// EvalExpr evaluates an expression whose relative paths are relative to dir.
func (ev *Evaluator) EvalExpr(ctx context.Context, expr syntax.Expr, dir string, scope Scope) (v Value, err error) {
	err = ev.Do(ctx, func(t *Thread) { v = t.EvalExpr(expr, dir, scope) })
	return v, err
}

// EvalText parses and evaluates an expression; name is what messages call it.
func (ev *Evaluator) EvalText(ctx context.Context, name, text, dir string, scope Scope) (v Value, err error) {
	err = ev.Do(ctx, func(t *Thread) { v = t.EvalText(name, text, dir, scope) })
	return v, err
}

// Thread is an evaluation at work. Its methods end the evaluation with a
// panic when something is wrong; [Thread.Try] gives the error instead.
type Thread struct {
	ev  *Evaluator
	ctx context.Context

	site    node     // the call of the builtin that is at work
	frames  []frame  // shadow stack, for traces
	forcing []*Thunk // what is being computed, to be released after an error
	depth   int      // of calls
	nested  int      // of values, where Go code walks into them
	steps   int64
	room    int64            // bytes that may be spent before the heap is measured
	sample  []metrics.Sample // for measuring it
}

// Evaluator is whose evaluation this is.
func (t *Thread) Evaluator() *Evaluator { return t.ev }

// Context is the context of the running evaluation.
func (t *Thread) Context() context.Context { return t.ctx }

// EvalFile is [Evaluator.EvalFile] inside an evaluation.
func (t *Thread) EvalFile(name string, scope Scope) Value {
	return t.evalResolved(t.resolveFile(name), scope)
}

func (t *Thread) evalResolved(file string, scope Scope) Value {
	data, err := t.files().ReadFile(file)
	if err != nil {
		t.FailFile(file, err)
	}
	t.spend(len(data))
	return t.EvalText(t.ev.opts.DisplayPath(file), string(data), path.Dir(file), scope, file)
}

// treeBytes is about what the tree and the code of a text have for each byte.
const treeBytes = 20

// EvalText parses and evaluates text. The path, if given, is where the text
// comes from, in case name is not it.
func (t *Thread) EvalText(name, text, dir string, scope Scope, filePath ...string) Value {
	t.checkSize(len(text), maxSourceSize)
	t.spend(treeBytes * len(text))
	expr, err := syntax.Parse(name, text)
	if err != nil {
		t.failSyntax(err)
	}
	if src := expr.Pos().Source; src != nil && len(filePath) > 0 {
		t.ev.sources[src] = filePath[0]
	}
	return t.EvalExpr(expr, dir, scope)
}

// failSyntax ends the evaluation because a text is not an expression.
func (t *Thread) failSyntax(err error) {
	e := &Error{Msg: err.Error(), Kind: KindSyntax, cause: err}
	if s, ok := errors.AsType[*syntax.Error](err); ok {
		e.Pos, e.Msg = s.Pos, s.Msg
	}
	t.raise(e)
}

// EvalExpr is [Evaluator.EvalExpr] inside an evaluation.
func (t *Thread) EvalExpr(expr syntax.Expr, dir string, scope Scope) Value {
	return t.compile(expr, dir, scope).eval(t, nil)
}

// Import evaluates a file like builtins.import: each file at most once.
func (t *Thread) Import(name string) Value {
	file := t.resolveFile(name)
	th := t.ev.imports[file]
	if th == nil {
		site := t.site // so that an error says who imports what can't be read
		th = Lazy(func(t *Thread) Value {
			t.site = site
			return t.evalResolved(file, nil)
		})
		t.ev.imports[file] = th
	}
	return t.force(th)
}

// maxLinks bounds how far a chain of symbolic links is followed.
const maxLinks = 1024

// resolveFile gives the file that importing name means. A symbolic link stands
// for its target, so that relative paths in the file are relative to where the
// file really lies.
func (t *Thread) resolveFile(name string) string {
	if name == "" || name[0] != '/' {
		t.Throw("the path %q of a file to evaluate is not absolute", name)
	}
	name, err := FollowLinks(t.files(), path.Clean(name))
	if err != nil {
		t.FailFile(name, err)
	}
	info, err := t.files().Stat(name)
	if err != nil {
		t.FailFile(name, err)
	}
	if info.IsDir() {
		return path.Join(name, "default.nix")
	}
	return name
}

// FollowLinks gives the path that a symbolic link leads to in the end. Only the
// last part of the path is followed: links to folders on the way stay, as they
// do in Nix.
func FollowLinks(files FS, name string) (string, error) {
	info, err := files.Lstat(name)
	for range maxLinks {
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, err
		}
		target, err := files.ReadLink(name)
		if err != nil {
			return name, err
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		target = path.Clean(target)
		if info, err = files.Lstat(target); err != nil {
			if _, statErr := files.Stat(name); statErr == nil {
				return name, nil // it leads to no name: a pipe below /proc
			}
			return target, err
		}
		name = target
	}
	return name, errors.New("too many symbolic links")
}

// files gives access to files or ends the evaluation.
func (t *Thread) files() FS {
	if t.ev.opts.FS == nil {
		t.Unsupported("reading files in this evaluation")
	}
	return t.ev.opts.FS
}

// FailFile ends the evaluation because a file can't be read, for the reason err.
func (t *Thread) FailFile(name string, err error) {
	msg := "cannot read " + t.ev.opts.DisplayPath(name) + ": "
	if errors.Is(err, fs.ErrNotExist) {
		msg += "no such file or directory"
	} else if pe, ok := errors.AsType[*fs.PathError](err); ok {
		msg += pe.Err.Error()
	} else {
		msg += err.Error()
	}
	kind := KindEval
	if errors.Is(err, ErrTooBig) {
		kind = KindSize
	}
	t.raise(&Error{Pos: t.Pos(), Msg: msg, Kind: kind, cause: err})
}
