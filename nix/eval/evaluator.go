package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"unsafe"

	"nix2gpu/nix/syntax"
)

// FS is how an evaluation sees files. Paths are absolute and clean. The error for a
// missing file wraps fs.ErrNotExist.
type FS interface {
	// ReadFile reads a regular file. It must neither wait for another program nor read
	// without end: devices and pipes are errors, and so is a file that is too big,
	// whose error wraps ErrTooBig.
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)  // follows symbolic links
	Lstat(path string) (fs.FileInfo, error) // does not
	ReadLink(path string) (string, error)
}

// ErrTooBig says that a file is bigger than an FS reads.
var ErrTooBig = errors.New("the file is too big")

// Options tunes an Evaluator. The zero value is ready to use: it evaluates without
// files, environment variables and a clock.
type Options struct {
	FS            FS                       // nil: there are no files
	CurrentSystem string                   // default: x86_64-linux
	Getenv        func(name string) string // nil: every variable is empty
	Now           func() int64             // seconds since 1970; nil: currentTime is not supported
	Home          string                   // the folder of ~/; "": ~/ is an error
	SearchPath    []SearchEntry            // where <name> is looked for
	TraceTo       io.Writer                // output of builtins.trace and warn; nil: discarded
	TraceVerbose  bool                     // traceVerbose prints there, too
	AbortOnWarn   bool                     // builtins.warn ends the evaluation
	Lints         Lints                    // of literals
	// TOMLTimestamps lets fromTOML read dates and times.
	TOMLTimestamps bool
	MaxDepth       int   // of nested calls; default: 10,000
	MaxSteps       int64 // of calls and forced values, for the life of the Evaluator; 0: no limit
	MaxMemory      int64 // limit of the whole program's heap, in bytes; 0: none
	MaxSize        int   // of a string in bytes; of a list, eight times its elements; default: 128 MiB
	MaxText        int   // of a text that is evaluated, in bytes; default: [MaxText]

	// Unforced says that a literal list, set or function is made when it is first needed, and never
	// earlier, as in Nix: for whoever prints values with what is not computed yet.
	Unforced bool

	// Grow is what the program does when the heap gets larger, each once, the least first.
	Grow []Growth

	// Builtins are added to the built-in ones, or replace those of the same name.
	Builtins []*Builtin
	// Globals are names that every file knows, in addition to those of the language.
	Globals map[string]Value
	// ToFile makes the file of builtins.toFile, and returns a string that stands for
	// its path. nil: toFile is not supported.
	ToFile func(t *Thread, name string, content *String) Value
	// Store says that sources, texts and derivations have the paths that Nix would give
	// them in its store, below which they can be read. Nothing is written. Otherwise
	// sources stay where they are, and derivations have no paths.
	Store bool
	// DisplayPath returns how messages name a file; nil: by its path.
	DisplayPath func(path string) string
}

// A Growth is called when the heap gets larger than Heap bytes, before need more are allocated
// at once: the program may make room for them.
type Growth struct {
	Heap int64
	Do   func(need int64)
}

// A SearchEntry says where <Prefix/…> is. With an empty Prefix, <x> is looked for in
// the folder Path.
type SearchEntry struct{ Prefix, Path string }

func (o *Options) setDefaults() {
	o.CurrentSystem = cmp.Or(o.CurrentSystem, "x86_64-linux")
	o.MaxDepth = cmp.Or(o.MaxDepth, 10_000)
	o.MaxSize = cmp.Or(o.MaxSize, maxSize)
	o.MaxText = cmp.Or(o.MaxText, MaxText)
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

// A Scope is what a file may refer to in addition to the names of the language, such as
// pkgs. Values may be thunks.
type Scope map[string]Value

// An Evaluator evaluates files and expressions.
type Evaluator struct {
	opts    Options
	thread  *Thread
	globals map[string]Value
	imports map[string]*Thunk         // by path; import evaluates each file once
	sources map[*syntax.Source]string // the paths of the files behind positions
	regexes map[string]*posixRegex    // by text; see regex
	store   *virtualStore             // nil: there is none

	filtered []filteredSource // of an evaluation without a store

	height               int // see limitStack
	maxForcing, maxCalls int
}

// Files returns the files that the evaluator was given.
func (ev *Evaluator) Files() FS { return ev.opts.FS }

// New returns an Evaluator.
func New(opts Options) *Evaluator {
	opts.setDefaults()
	ev := &Evaluator{
		opts:    opts,
		imports: map[string]*Thunk{},
		sources: map[*syntax.Source]string{},
		regexes: map[string]*posixRegex{},
	}
	if opts.Store {
		ev.store = &virtualStore{objects: map[string]object{}, sources: map[Path]string{}}
		if opts.FS != nil {
			ev.opts.FS = storeFS{opts.FS, ev.store}
		}
	}
	ev.limitStack(1)
	ev.thread = &Thread{ev: ev, site: topSite}
	ev.globals = ev.makeGlobals()
	return ev
}

// maxStack is the size that the Go stack may grow to, in bytes. The limits of nesting
// keep it far smaller, but a stack is doubled when it is full.
const maxStack = 1 << 30

// Do calls f inside an evaluation that ends when ctx does, and returns the *Error that
// ended it. It must not be called inside another Do.
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

// EvalFile evaluates the expression in a file until its type is known. A folder stands
// for its default.nix.
func (ev *Evaluator) EvalFile(ctx context.Context, path string, scope Scope) (v Value, err error) {
	err = ev.Do(ctx, func(t *Thread) { v = t.EvalFile(path, scope) })
	return v, err
}

// EvalExpr evaluates an expression whose relative paths are relative to dir.
func (ev *Evaluator) EvalExpr(ctx context.Context, expr syntax.Expr, dir string, scope Scope) (v Value, err error) {
	err = ev.Do(ctx, func(t *Thread) { v = t.EvalExpr(expr, dir, scope) })
	return v, err
}

// EvalText parses and evaluates an expression; name is its name in messages.
func (ev *Evaluator) EvalText(ctx context.Context, name, text, dir string, scope Scope) (v Value, err error) {
	err = ev.Do(ctx, func(t *Thread) { v = t.EvalText(name, text, dir, scope) })
	return v, err
}

// A Thread is a running evaluation. Its methods panic to end the evaluation when
// something is wrong; [Thread.Try] returns the error instead.
type Thread struct {
	ev  *Evaluator
	ctx context.Context

	site    node      // the call of the running builtin
	frames  []frame   // shadow stack, for traces
	argRoom []Value   // see arguments
	parts   []Value   // of the lists and sets being made
	texts   []string  // the parts of the strings being made
	digits  []byte    // the numbers among them
	forcing []pending // the thunks being computed, to be released after an error
	depth   int       // of calls
	nested  int       // of values that Go code walks into
	steps   int64
	room    int64            // bytes that may be spent before the heap is measured
	sample  []metrics.Sample // for measuring it
	grown   int              // how many of Options.Grow were called
	slabs
	mergers *[mergers]*merger // see merger
}

// Evaluator returns the evaluator that runs this evaluation.
func (t *Thread) Evaluator() *Evaluator { return t.ev }

// Context returns the context of the running evaluation.
func (t *Thread) Context() context.Context { return t.ctx }

// EvalFile is [Evaluator.EvalFile] inside an evaluation.
func (t *Thread) EvalFile(name string, scope Scope) Value {
	return t.evalResolved(t.resolveFile(name), scope)
}

func (t *Thread) evalResolved(file string, scope Scope) Value {
	data, err := ReadText(t.files(), file, t.ev.opts.MaxText)
	if err != nil {
		t.FailFile(file, err)
	}
	t.spend(len(data))
	text := unsafe.String(unsafe.SliceData(data), len(data)) // nobody changes data
	return t.EvalText(t.ev.opts.DisplayPath(file), text, path.Dir(file), scope, file)
}

// treeBytes is about how many bytes of memory the tree and the code of a text take for
// each of its bytes.
const treeBytes = 20

// EvalText parses and evaluates text. filePath, if given, is the path of the text, if
// name is not.
func (t *Thread) EvalText(name, text, dir string, scope Scope, filePath ...string) Value {
	if len(text) > t.ev.opts.MaxText {
		t.FailFile(name, tooMuchText(t.ev.opts.MaxText))
	}
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

// ReadText reads a file that is to be evaluated. One of more than limit bytes is refused with
// [ErrTooBig], before it is read if its size tells.
func ReadText(files FS, file string, limit int) ([]byte, error) {
	if info, err := files.Stat(file); err == nil && info.Size() > int64(limit) {
		return nil, tooMuchText(limit)
	}
	data, err := files.ReadFile(file)
	if err == nil && len(data) > limit { // one below /proc, say, whose size is 0
		return nil, tooMuchText(limit)
	}
	return data, err
}

func tooMuchText(limit int) error {
	return fmt.Errorf("%w: more than %g MiB of text to evaluate", ErrTooBig, float64(limit)/(1<<20))
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

// Import evaluates a file as builtins.import does: each file at most once.
func (t *Thread) Import(name string) Value {
	file := t.resolveFile(name)
	th := t.ev.imports[file]
	if th == nil {
		site := t.site // so that an error says which call imports a file that can't be read
		th = Lazy(func(t *Thread) Value {
			t.site = site
			return t.evalResolved(file, nil)
		})
		t.ev.imports[file] = th
	}
	if th.val == busy {
		t.failCycle(th)
	}
	return t.force(th)
}

// failCycle ends the evaluation because a file is imported while its value is computed.
func (t *Thread) failCycle(th *Thunk) {
	names := map[*Thunk]string{}
	for file, th := range t.ev.imports {
		names[th] = t.ev.opts.DisplayPath(file)
	}
	chain := names[th]
	for i := slices.IndexFunc(t.forcing, func(p pending) bool { return p.thunk == th }) + 1; i < len(t.forcing); i++ {
		if name := names[t.forcing[i].thunk]; name != "" {
			chain += " imports " + name + ", which"
		}
	}
	t.raise(&Error{Pos: t.Pos(), Msg: "infinite recursion encountered: " + chain + " imports " + names[th], Kind: KindRecursion,
		Hint: "what files need of each other belongs into a file of its own"})
}

// maxLinks limits how long a chain of symbolic links may be.
const maxLinks = 1024

// resolveFile returns the file that importing name means. A symbolic link stands for
// its target, so that paths in the file are relative to where the file really is.
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

// FollowLinks returns the path that a chain of symbolic links leads to. It follows only
// the last part of the path: links to folders on the way stay, as in Nix.
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
				return name, nil // its target has no name, such as a pipe below /proc
			}
			return target, err
		}
		name = target
	}
	return name, errors.New("too many symbolic links")
}

// files returns the files, or ends the evaluation if there are none.
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
