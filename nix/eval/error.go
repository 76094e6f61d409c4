package eval

import (
	"fmt"
	"runtime"
	"slices"
	"sort"
	"strings"

	"nix2gpu/nix/syntax"
	"nix2gpu/spelling"
)

// An ErrorKind is a kind of error that callers or programs treat differently.
type ErrorKind uint8

// The kinds of errors.
const (
	KindEval        ErrorKind = iota // anything wrong with the program
	KindSyntax                       // the text of a file is not an expression; the cause is a *syntax.Error
	KindThrow                        // builtins.throw; tryEval catches it
	KindAssert                       // a failed assert; tryEval catches it
	KindAbort                        // builtins.abort
	KindRecursion                    // a value needs itself
	KindDepth                        // calls are nested too deeply
	KindSteps                        // the limit of steps is used up
	KindSize                         // a string, list or file is too big
	KindMemory                       // the limit of memory is used up
	KindCanceled                     // the context has ended; the cause is its error
	KindUnsupported                  // what this evaluator does not do, such as building
	KindInternal                     // a mistake in the evaluator itself
)

// An Error says why an evaluation failed, and where.
type Error struct {
	Pos   syntax.Pos // the zero Pos if it is not known
	Msg   string     // lower case, no position, no trailing period
	Hint  string     // the cure, such as "did you mean 'port'?"; often ""
	Kind  ErrorKind
	Trace []Frame // what led to it, the innermost first

	cause  error
	frames []frame
}

// A Frame is one step that led to an error.
type Frame struct {
	Pos syntax.Pos
	Msg string // such as "while calling 'mkIf'"
}

// Error returns position, message and hint on one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Pos.IsValid() {
		b.WriteString(e.Pos.String() + ": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the error that caused this one, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Backtrace returns the error as people see it: position and message, the source line
// with a caret, the hint, and the trace.
func (e *Error) Backtrace() string {
	var b strings.Builder
	if e.Pos.IsValid() {
		fmt.Fprintf(&b, "%s: %s\n%s", e.Pos, e.Msg, syntax.Excerpt(e.Pos))
	} else {
		b.WriteString(e.Msg + "\n")
	}
	if e.Hint != "" {
		b.WriteString(e.Hint + "\n")
	}
	for _, f := range e.Trace {
		if f.Pos.IsValid() {
			fmt.Fprintf(&b, "%s: %s\n", f.Pos, f.Msg)
		} else {
			b.WriteString(f.Msg + "\n")
		}
	}
	return b.String()
}

// A frame is an entry of the shadow stack: site is the node that is being evaluated. A
// note is a message of a program (addErrorContext) or of Go code.
type frame struct {
	site node
	fn   *lambdaNode // for calls: what was called
	note *note
}

type note struct {
	pos  syntax.Pos
	msg  string        // "" until known
	late func() string // says msg, if it is set
}

func (n *note) text() string {
	if n.late != nil {
		return n.late()
	}
	return n.msg
}

// maxTrace limits the frames that an error keeps. Notes are always kept.
const maxTrace = 40

// capture copies the shadow stack into the error, the innermost frame first.
func (t *Thread) capture(e *Error) *Error {
	sites := 0
	for i := len(t.frames) - 1; i >= 0; i-- {
		f := t.frames[i]
		if f.note == nil {
			if sites++; sites > maxTrace {
				if i > 100*maxTrace {
					i -= i / 2 // a very deep stack: look for notes near its bottom only
				}
				continue
			}
		}
		e.frames = append(e.frames, f)
	}
	return e
}

// finish makes the Trace from the captured frames.
func (e *Error) finish() *Error {
	for _, f := range e.frames {
		switch {
		case f.note != nil:
			if msg := f.note.text(); msg != "" {
				e.Trace = append(e.Trace, Frame{f.note.pos, msg})
			}
		case f.site == topSite && f.fn == nil:
		case f.fn != nil:
			e.Trace = append(e.Trace, Frame{f.site.pos(), "while calling " + f.fn.describe()})
		default:
			if d, ok := f.site.(interface{ describe() string }); ok {
				e.Trace = append(e.Trace, Frame{f.site.pos(), "while evaluating " + d.describe()})
			}
		}
	}
	e.frames = nil
	e.Trace = slices.CompactFunc(e.Trace, func(a, b Frame) bool { return a == b })
	return e
}

// Fail ends the evaluation with an error at pos.
func (t *Thread) Fail(pos syntax.Pos, format string, args ...any) {
	panic(t.capture(&Error{Pos: pos, Msg: fmt.Sprintf(format, args...)}))
}

// Throw ends the evaluation with an error at the call of the running builtin. tryEval
// does not catch it.
func (t *Thread) Throw(format string, args ...any) {
	t.Fail(t.Pos(), format, args...)
}

// Unsupported ends the evaluation with an error that says what this evaluator does not
// do.
func (t *Thread) Unsupported(format string, args ...any) {
	t.raise(&Error{Pos: t.Pos(), Msg: "not supported: " + fmt.Sprintf(format, args...), Kind: KindUnsupported})
}

// Raise ends the evaluation with any error: an *Error as it is, any other as the cause
// of an Error at the call of the running builtin.
func (t *Thread) Raise(err error) {
	if e, ok := err.(*Error); ok {
		t.raise(e)
	}
	t.raise(&Error{Pos: t.Pos(), Msg: err.Error(), cause: err})
}

func (t *Thread) raise(e *Error) {
	if e.frames == nil && e.Trace == nil {
		t.capture(e)
	}
	panic(e)
}

// RaiseAs ends the evaluation with an error of Go code at pos, of a kind that the
// caller chooses: tryEval catches one of KindThrow.
func (t *Thread) RaiseAs(kind ErrorKind, pos syntax.Pos, msg string, cause error) {
	t.raise(&Error{Pos: pos, Msg: msg, Kind: kind, cause: cause})
}

// PosWhere returns the innermost position on the way to what is evaluated now that is as
// wanted, of those that are near enough to be in a trace; none if there is none.
func (t *Thread) PosWhere(wanted func(syntax.Pos) bool) syntax.Pos {
	for i := len(t.frames) - 1; i >= 0 && i >= len(t.frames)-maxTrace; i-- {
		if site := t.frames[i].site; site != nil {
			if pos := site.pos(); pos.IsValid() && wanted(pos) {
				return pos
			}
		}
	}
	return syntax.Pos{}
}

// Pos returns the position of the call of the running builtin. In a value that Go code
// computes lazily, it is where the program asked for the value.
func (t *Thread) Pos() syntax.Pos {
	if pos := t.site.pos(); pos.IsValid() {
		return pos
	}
	for i := len(t.frames) - 1; i >= 0 && i >= len(t.frames)-maxTrace; i-- {
		if site := t.frames[i].site; site != nil {
			if pos := site.pos(); pos.IsValid() {
				return pos
			}
		}
	}
	return syntax.Pos{}
}

// Annotate calls f. If f fails, msg becomes part of the error's trace.
func (t *Thread) Annotate(pos syntax.Pos, msg string, f func()) {
	t.annotate(&note{pos: pos, msg: msg}, f)
}

// AnnotateLate is Annotate for a message that is made only if f fails.
func (t *Thread) AnnotateLate(pos syntax.Pos, msg func() string, f func()) {
	t.annotate(&note{pos: pos, late: msg}, f)
}

func (t *Thread) annotate(n *note, f func()) {
	t.frames = append(t.frames, frame{note: n})
	f()
	t.frames = t.frames[:len(t.frames)-1]
}

// Try calls f and returns the error that ended it, or nil. The evaluation can go on as
// if f had not been called; thunks that failed may be forced again.
func (t *Thread) Try(f func()) error {
	if err := t.catch(f); err != nil {
		return err.finish()
	}
	return nil
}

// catch is Try without making the trace.
func (t *Thread) catch(f func()) (failed *Error) {
	frames, forcing, depth, site, nested, room := len(t.frames), len(t.forcing), t.depth, t.site, t.nested, t.argRoom
	parts, texts, digits := len(t.parts), len(t.texts), len(t.digits)
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		var ok bool
		if failed, ok = r.(*Error); !ok { // a defect of ours must not end the whole program
			stack := make([]byte, 8<<10)
			stack = stack[:runtime.Stack(stack, false)]
			failed = &Error{Pos: t.Pos(), Msg: fmt.Sprintf("internal error: %v", r), Kind: KindInternal,
				cause: fmt.Errorf("%v\n%s", r, stack)}
		}
		for _, p := range t.forcing[forcing:] {
			p.thunk.val = p.was
		}
		clear(t.frames[frames:]) // or the collector would keep what they hold
		clear(t.forcing[forcing:])
		t.frames, t.forcing = t.frames[:frames], t.forcing[:forcing]
		clear(room)
		t.depth, t.site, t.nested, t.argRoom = depth, site, nested, room
		t.dropParts(parts)
		clear(t.texts[texts:])
		t.texts, t.digits = t.texts[:texts], t.digits[:digits]
		t.slabs = slabs{} // they would keep what was made before the error
	}()
	f()
	return nil
}

// wrongType fails because of the type of v.
func (t *Thread) wrongType(pos syntax.Pos, v Value, want string) {
	t.Fail(pos, "expected %s but found %s: %s", want, v.Type().withArticle(), t.brief(v))
}

// didYouMean returns a hint at the names that resemble name, or "".
func didYouMean(name string, known []string) string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	for _, k := range known {
		if k != name && spelling.Near(name, k) {
			near = append(near, candidate{k, spelling.Distance(name, k)})
		}
	}
	if len(near) == 0 {
		return ""
	}
	sort.SliceStable(near, func(i, j int) bool {
		a, b := near[i], near[j]
		return a.distance-b.distance < 0
	})
	best := near[:min(len(near), 3)]
	quoted := make([]string, len(best))
	for i, c := range best {
		quoted[i] = "'" + c.name + "'"
	}
	if n := len(quoted); n > 1 {
		return "did you mean one of " + strings.Join(quoted[:n-1], ", ") + " or " + quoted[n-1] + "?"
	}
	return "did you mean " + quoted[0] + "?"
}
