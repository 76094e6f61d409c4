package eval

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime/debug"

	"nix2gpu/nix/syntax"
)

// FS is how an evaluation sees files. Paths are absolute and clean. A missing
// file is reported with an error that wraps fs.ErrNotExist.
type FS interface {
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Stat(path string) (fs.FileInfo, error)  // follows symbolic links
	Lstat(path string) (fs.FileInfo, error) // does not
}

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
}

// Evaluator is whose evaluation this is.
func (t *Thread) Evaluator() *Evaluator { return t.ev }

// Context is the context of the running evaluation.
func (t *Thread) Context() context.Context { return t.ctx }

// EvalFile is [Evaluator.EvalFile] inside an evaluation.
func (t *Thread) EvalFile(name string, scope Scope) Value {
	file := t.resolveFile(name)
	data, err := t.files().ReadFile(file)
	if err != nil {
		t.failFile(file, err)
	}
	return t.EvalText(t.ev.opts.DisplayPath(file), string(data), path.Dir(file), scope, file)
}

// EvalText parses and evaluates text. The path, if given, is where the text
// comes from, in case name is not it.
func (t *Thread) EvalText(name, text, dir string, scope Scope, filePath ...string) Value {
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
		th = Lazy(func(t *Thread) Value { return t.EvalFile(file, nil) })
		t.ev.imports[file] = th
	}
	return t.force(th)
}

// resolveFile gives the file that importing name means.
func (t *Thread) resolveFile(name string) string {
	if name == "" || name[0] != '/' {
		t.Throw("the path %q of a file to evaluate is not absolute", name)
	}
	name = path.Clean(name)
	info, err := t.files().Stat(name)
	if err != nil {
		t.failFile(name, err)
	}
	if info.IsDir() {
		return path.Join(name, "default.nix")
	}
	return name
}

// files gives access to files or ends the evaluation.
func (t *Thread) files() FS {
	if t.ev.opts.FS == nil {
		t.Unsupported("reading files in this evaluation")
	}
	return t.ev.opts.FS
}

func (t *Thread) failFile(name string, err error) {
	msg := "cannot read " + t.ev.opts.DisplayPath(name) + ": "
	if errors.Is(err, fs.ErrNotExist) {
		msg += "no such file or directory"
	} else if pe, ok := errors.AsType[*fs.PathError](err); ok {
		msg += pe.Err.Error()
	} else {
		msg += err.Error()
	}
	t.raise(&Error{Pos: t.Pos(), Msg: msg, cause: err})
}

// checkContext ends the evaluation when its context has ended.
func (t *Thread) checkContext() {
	if t.ctx == nil {
		return
	}
	if err := t.ctx.Err(); err != nil {
		t.raise(&Error{Msg: "evaluation stopped: " + err.Error(), Kind: KindCanceled, cause: err})
	}
}

// step counts a call or a forced value.
func (t *Thread) step() {
	t.steps++
	if t.steps&1023 == 0 {
		t.checkLimits()
	}
}

// charge counts n steps at once, before a primitive does that much work.
func (t *Thread) charge(n int64) {
	t.steps += n
	t.checkLimits()
}

// Sizes beyond which a string or list is an error: a few doublings fill any
// memory, and that, too, can't be caught.
const (
	maxStringSize = 1 << 27
	maxListSize   = 1 << 24
)

// checkSize ends the evaluation when a string or list gets too big.
func (t *Thread) checkSize(n, limit int) {
	if n > limit {
		t.raise(&Error{Pos: t.Pos(), Kind: KindSteps, Msg: "evaluation stopped: a string or list is bigger than permitted"})
	}
}

func (t *Thread) checkLimits() {
	if limit := t.ev.opts.MaxSteps; limit > 0 && t.steps > limit {
		t.raise(&Error{Msg: "evaluation stopped: it took more than the permitted number of steps", Kind: KindSteps})
	}
	t.checkContext()
}
