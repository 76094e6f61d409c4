package eval

import (
	"fmt"
	"regexp"
	"sync"
)

func controlBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "abort", Args: []string{"message"}, Global: true, Doc: "Ends the evaluation with a message. Nothing catches it.",
			Fn: func(t *Thread, args []Value) Value {
				msg := plainText(t.stringArg(args[0]).s)
				t.raise(&Error{Pos: t.Pos(), Kind: KindAbort,
					Msg: "evaluation aborted with the following error message: '" + msg + "'"})
				return nil
			}},
		{Name: "throw", Args: []string{"message"}, Global: true, Doc: "Fails with a message. tryEval catches it.",
			Fn: func(t *Thread, args []Value) Value {
				msg := plainText(t.stringArg(args[0]).s)
				t.raise(&Error{Pos: t.Pos(), Msg: msg, Kind: KindThrow})
				return nil
			}},
		{Name: "tryEval", Args: []string{"x"},
			Doc: "{ success = true; value = x; }, or { success = false; value = false; } if x ends in throw or a failed assert.",
			Fn: func(t *Thread, args []Value) Value {
				var v Value
				err := t.catch(func() { v = t.Force(args[0]) })
				switch {
				case err == nil:
					return NewAttrs(2).Set("success", Bool(true)).Set("value", v).Done()
				case err.Kind == KindThrow || err.Kind == KindAssert:
					return NewAttrs(2).Set("success", Bool(false)).Set("value", Bool(false)).Done()
				}
				panic(err)
			}},
		{Name: "addErrorContext", Args: []string{"message", "x"}, Doc: "x. Should computing it fail, the message is part of the trace.",
			Fn: func(t *Thread, args []Value) Value {
				n := &note{}
				t.frames = append(t.frames, frame{note: n})
				var v Value
				err := t.catch(func() { v = t.Force(args[1]) })
				t.frames = t.frames[:len(t.frames)-1]
				if err == nil {
					return v
				}
				if failed := t.catch(func() { n.msg = t.stringArg(args[0]).s }); failed != nil {
					n.msg = ""
				}
				panic(err)
			}},
		{Name: "seq", Args: []string{"x", "y"}, first: 1, Doc: "y, after x has been computed.",
			Fn: func(t *Thread, args []Value) Value {
				t.Force(args[0])
				return args[1]
			}},
		{Name: "deepSeq", Args: []string{"x", "y"}, Doc: "y, after x and everything in it have been computed.",
			Fn: func(t *Thread, args []Value) Value {
				t.ForceDeep(args[0])
				return args[1]
			}},
		{Name: "trace", Args: []string{"message", "x"}, Doc: "x, after the message has been printed.",
			Fn: func(t *Thread, args []Value) Value {
				t.trace(args[0])
				return args[1]
			}},
		{Name: "traceVerbose", Args: []string{"message", "x"}, Doc: "x, after the message has been printed, if --trace-verbose is given.",
			Fn: func(t *Thread, args []Value) Value {
				if t.ev.opts.TraceVerbose {
					t.trace(args[0])
				}
				return args[1]
			}},
		{Name: "warn", Args: []string{"message", "x"}, Doc: "x, after the message has been printed as a warning. With NIX_ABORT_ON_WARN or --option abort-on-warn true, nix2gpu eval ends there.",
			Fn: func(t *Thread, args []Value) Value {
				text := t.Text(args[0])
				t.tell("evaluation warning: " + text)
				if t.ev.opts.AbortOnWarn {
					t.raise(&Error{Pos: t.Pos(), Msg: "aborting at the warning: " + text, Hint: "NIX_ABORT_ON_WARN or the setting abort-on-warn asks for that", Kind: KindAbort})
				}
				return args[1]
			}},
		{Name: "break", Args: []string{"x"}, Global: true, Doc: "x. It is where a debugger would stop; there is none.",
			Fn: func(t *Thread, args []Value) Value { return args[0] }},
	}
}

var colors = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("\x1b\\[[0-9;]*m")
})

// plainText removes the colors that libraries put into messages.
func plainText(s string) string { return colors().ReplaceAllString(s, "") }

// tell writes a line to where the traces of programs go.
func (t *Thread) tell(line string) { fmt.Fprintln(t.ev.opts.TraceTo, line) }

// trace prints a message: a string as it is, another value as it would be written.
func (t *Thread) trace(message Value) {
	v := t.Force(message)
	if s, ok := v.(*String); ok {
		t.tell("trace: " + s.s)
		return
	}
	t.tell("trace: " + t.Print(v, PrintOptions{MaxItems: 1000, MaxDepth: 20}))
}
