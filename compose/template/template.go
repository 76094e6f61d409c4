package template

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/template/parse"
)

// maxDepth bounds how deep templates may call each other.
const maxDepth = 1000

// Expand returns the text of a template with variables. Their values are strings, integers,
// booleans, []any and map[string]any. An unknown name is an error.
func Expand(name, text string, vars map[string]any) (string, error) {
	funcs := functions()
	known := map[string]any{"and": true, "or": true} // the parser wants to know the names
	for name := range funcs {
		known[name] = true
	}
	trees, err := parse.Parse(name, text, "", "", known)
	if err != nil {
		return "", err
	}
	e := &expansion{trees: trees, funcs: funcs}
	if tree := trees[name]; tree != nil { // a text of definitions alone has none
		err = e.run(tree, vars)
	}
	return e.out.String(), err
}

// An expansion is the state of one run of Expand.
type expansion struct {
	trees map[string]*parse.Tree
	funcs map[string]function
	out   strings.Builder
	vars  []variable // innermost last
	depth int
}

type variable struct {
	name  string
	value any
}

// They end the body of a loop early.
var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// run evaluates a whole template, in which $ is dot.
func (e *expansion) run(t *parse.Tree, dot any) error {
	if e.depth++; e.depth > maxDepth {
		return errors.New("templates call each other too deeply")
	}
	outer := e.vars
	e.vars = []variable{{"$", dot}}
	err := e.list(t.Root, dot)
	e.vars = outer
	e.depth--
	return err
}

func (e *expansion) list(l *parse.ListNode, dot any) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := e.node(n, dot); err != nil {
			return err
		}
	}
	return nil
}

func (e *expansion) node(n parse.Node, dot any) error {
	switch n := n.(type) {
	case *parse.TextNode:
		e.out.Write(n.Text)
	case *parse.ActionNode:
		v, err := e.pipe(n.Pipe, dot)
		if err == nil && len(n.Pipe.Decl) == 0 {
			e.out.WriteString(printed(v))
		}
		return err
	case *parse.IfNode:
		return e.branch(&n.BranchNode, dot, false)
	case *parse.WithNode:
		return e.branch(&n.BranchNode, dot, true)
	case *parse.RangeNode:
		return e.loop(n, dot)
	case *parse.TemplateNode:
		t := e.trees[n.Name]
		if t == nil {
			return fmt.Errorf("template %q not defined", n.Name)
		}
		var given any
		if n.Pipe != nil {
			var err error
			if given, err = e.pipe(n.Pipe, dot); err != nil {
				return err
			}
		}
		return e.run(t, given)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	case *parse.CommentNode:
	default:
		return fmt.Errorf("not supported: %s", n)
	}
	return nil
}

// branch evaluates an if, or a with, whose value becomes dot.
func (e *expansion) branch(n *parse.BranchNode, dot any, with bool) error {
	mark := len(e.vars)
	defer func() { e.vars = e.vars[:mark] }()
	v, err := e.pipe(n.Pipe, dot)
	if err != nil {
		return err
	}
	if !isTrue(v) {
		return e.list(n.ElseList, dot)
	}
	if with {
		dot = v
	}
	return e.list(n.List, dot)
}

func (e *expansion) loop(n *parse.RangeNode, dot any) error {
	mark := len(e.vars)
	defer func() { e.vars = e.vars[:mark] }()
	over, err := e.pipe(n.Pipe, dot)
	if err != nil {
		return err
	}
	inner := len(e.vars)
	turns := 0
	turn := func(key, value any) error {
		turns++
		// What the pipeline has declared stands last: the element, or key and element.
		given := []any{key, value}[2-len(n.Pipe.Decl):]
		for i, decl := range n.Pipe.Decl {
			if !n.Pipe.IsAssign {
				e.vars[inner-len(given)+i].value = given[i]
			} else if err := e.assign(decl.Ident[0], given[i]); err != nil {
				return err
			}
		}
		err := e.list(n.List, value)
		e.vars = e.vars[:inner]
		if err == errContinue {
			return nil
		}
		return err
	}
	switch over := over.(type) {
	case []any:
		for i, v := range over {
			if err = turn(i, v); err != nil {
				break
			}
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(over)) {
			if err = turn(k, over[k]); err != nil {
				break
			}
		}
	case int:
		if len(n.Pipe.Decl) > 1 {
			return fmt.Errorf("can't use %v to iterate over more than one variable", over)
		}
		for i := range over {
			if err = turn(nil, i); err != nil {
				break
			}
		}
	default:
		return fmt.Errorf("range can't iterate over %s", printed(over))
	}
	if err == errBreak {
		return nil
	}
	if err == nil && turns == 0 {
		return e.list(n.ElseList, dot)
	}
	return err
}

// pipe returns the value of a pipeline and sets the variables that it declares.
func (e *expansion) pipe(p *parse.PipeNode, dot any) (any, error) {
	var value any
	for i, c := range p.Cmds {
		v, err := e.command(c, dot, value, i > 0)
		if err != nil {
			return nil, err
		}
		value = v
	}
	for _, v := range p.Decl {
		if !p.IsAssign {
			e.vars = append(e.vars, variable{v.Ident[0], value})
		} else if err := e.assign(v.Ident[0], value); err != nil {
			return nil, err
		}
	}
	return value, nil
}

func (e *expansion) assign(name string, value any) error {
	for i := len(e.vars) - 1; i >= 0; i-- {
		if e.vars[i].name == name {
			e.vars[i].value = value
			return nil
		}
	}
	return fmt.Errorf("undefined variable: %s", name)
}

// command returns the value of a command of a pipeline. If piped is set, last is the value
// of the one before it.
func (e *expansion) command(c *parse.CommandNode, dot, last any, piped bool) (any, error) {
	first := c.Args[0]
	if id, ok := first.(*parse.IdentifierNode); ok {
		return e.call(id.Ident, c.Args[1:], dot, last, piped)
	}
	if len(c.Args) > 1 || piped {
		return nil, fmt.Errorf("can't give argument to non-function %s", first)
	}
	if _, isNil := first.(*parse.NilNode); isNil {
		return nil, errors.New("nil is not a command")
	}
	return e.arg(first, dot)
}

// arg returns the value of an argument.
func (e *expansion) arg(n parse.Node, dot any) (any, error) {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.FieldNode:
		return fields(dot, n.Ident)
	case *parse.VariableNode:
		for i := len(e.vars) - 1; i >= 0; i-- {
			if e.vars[i].name == n.Ident[0] {
				return fields(e.vars[i].value, n.Ident[1:])
			}
		}
		return nil, fmt.Errorf("undefined variable: %s", n.Ident[0])
	case *parse.ChainNode:
		v, err := e.arg(n.Node, dot)
		if err != nil {
			return nil, err
		}
		return fields(v, n.Field)
	case *parse.PipeNode:
		mark := len(e.vars)
		v, err := e.pipe(n, dot)
		if len(n.Decl) == 0 {
			e.vars = e.vars[:mark]
		}
		return v, err
	case *parse.IdentifierNode:
		return e.call(n.Ident, nil, dot, nil, false)
	case *parse.BoolNode:
		return n.True, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NilNode:
		return nil, nil
	case *parse.NumberNode:
		switch {
		case n.IsComplex && !n.IsFloat:
			return n.Complex128, nil
		case n.IsFloat && !strings.HasPrefix(n.Text, "0x") && !strings.HasPrefix(n.Text, "'") && strings.ContainsAny(n.Text, ".eEpP"):
			return n.Float64, nil
		case n.IsInt:
			return int(n.Int64), nil
		}
		return nil, fmt.Errorf("%s overflows int", n.Text)
	}
	return nil, fmt.Errorf("not supported: %s", n)
}

// fields returns the value that a chain of names leads to, through maps.
func fields(v any, names []string) (any, error) {
	for _, name := range names {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("can't evaluate field %s in %s", name, printed(v))
		}
		if v, ok = m[name]; !ok {
			return nil, fmt.Errorf("map has no entry for key %q", name)
		}
	}
	return v, nil
}

// call calls a function. If piped is set, last is its last argument.
func (e *expansion) call(name string, args []parse.Node, dot, last any, piped bool) (any, error) {
	if name == "and" || name == "or" { // which evaluate no more than they need
		var v any
		if len(args) == 0 && !piped {
			return nil, fmt.Errorf("wrong number of args for %s: want at least 1 got 0", name)
		}
		for _, n := range args {
			var err error
			if v, err = e.arg(n, dot); err != nil || isTrue(v) == (name == "or") {
				return v, err
			}
		}
		if piped {
			v = last
		}
		return v, nil
	}
	var values []any
	for _, n := range args {
		v, err := e.arg(n, dot)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if piped {
		values = append(values, last)
	}
	f := e.funcs[name]
	if len(values) < f.least || f.most > 0 && len(values) > f.most {
		return nil, fmt.Errorf("wrong number of args for %s: got %d", name, len(values))
	}
	v, err := f.call(values)
	if err != nil {
		return nil, fmt.Errorf("error calling %s: %w", name, err)
	}
	return v, nil
}

// isTrue reports whether a value is neither zero nor empty.
func isTrue(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int:
		return v != 0
	case float64:
		return v != 0
	case complex128:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// printed returns a value as text.
func printed(v any) string {
	if v == nil {
		return "<no value>"
	}
	return fmt.Sprint(v)
}

// A function is one of Go's predefined functions of templates.
type function struct {
	least, most int // arguments; most is 0: any number
	call        func(args []any) (any, error)
}

func functions() map[string]function {
	compare := func(wanted ...int) func(args []any) (any, error) {
		return func(args []any) (any, error) {
			c, err := order(args[0], args[1])
			return slices.Contains(wanted, c), err
		}
	}
	return map[string]function{
		"not": {1, 1, func(args []any) (any, error) { return !isTrue(args[0]), nil }},
		"len": {1, 1, func(args []any) (any, error) {
			switch v := args[0].(type) {
			case string:
				return len(v), nil
			case []any:
				return len(v), nil
			case map[string]any:
				return len(v), nil
			}
			return nil, fmt.Errorf("%s has no length", printed(args[0]))
		}},
		"index":   {1, 0, index},
		"slice":   {1, 4, slice},
		"print":   {0, 0, func(args []any) (any, error) { return fmt.Sprint(args...), nil }},
		"println": {0, 0, func(args []any) (any, error) { return fmt.Sprintln(args...), nil }},
		"html": {0, 0, func(args []any) (any, error) {
			return html.EscapeString(strings.ReplaceAll(joined(args), "\x00", "\uFFFD")), nil
		}},
		"urlquery": {0, 0, func(args []any) (any, error) { return url.QueryEscape(joined(args)), nil }},
		"js":       {0, 0, func([]any) (any, error) { return nil, errors.New("not supported") }},
		"call":     {1, 0, func([]any) (any, error) { return nil, errors.New("a value of YAML is not a function") }},
		"printf": {1, 0, func(args []any) (any, error) {
			format, ok := args[0].(string)
			if !ok {
				return nil, fmt.Errorf("the format must be a string, not %s", printed(args[0]))
			}
			return fmt.Sprintf(format, args[1:]...), nil
		}},
		"eq": {1, 0, func(args []any) (any, error) {
			if len(args) == 1 {
				return nil, errors.New("missing argument for comparison")
			}
			for _, other := range args[1:] {
				if same, err := equal(args[0], other); err != nil || same {
					return same, err
				}
			}
			return false, nil
		}},
		"ne": {2, 2, func(args []any) (any, error) {
			same, err := equal(args[0], args[1])
			return !same, err
		}},
		"lt": {2, 2, compare(-1)}, "le": {2, 2, compare(-1, 0)},
		"gt": {2, 2, compare(1)}, "ge": {2, 2, compare(1, 0)},
	}
}

// joined returns all arguments as one text, which functions such as html escape.
func joined(args []any) string {
	if len(args) == 1 {
		if s, ok := args[0].(string); ok {
			return s
		}
	}
	return fmt.Sprint(args...)
}

func index(args []any) (any, error) {
	v := args[0]
	for _, i := range args[1:] {
		switch in := v.(type) {
		case map[string]any:
			key, ok := i.(string)
			if !ok {
				return nil, fmt.Errorf("a map has strings for keys, not %s", printed(i))
			}
			v = in[key]
		case []any:
			at, err := position(i, len(in)-1)
			if err != nil {
				return nil, err
			}
			v = in[at]
		case string:
			at, err := position(i, len(in)-1)
			if err != nil {
				return nil, err
			}
			v = int(in[at])
		default:
			return nil, fmt.Errorf("can't index item of %s", printed(v))
		}
	}
	return v, nil
}

// position returns v as an index from 0 to most.
func position(v any, most int) (int, error) {
	i, ok := v.(int)
	if !ok {
		return 0, fmt.Errorf("cannot index slice/array with %s", printed(v))
	}
	if i < 0 || i > most {
		return 0, fmt.Errorf("index out of range: %d", i)
	}
	return i, nil
}

func slice(args []any) (any, error) {
	size := 0
	switch v := args[0].(type) {
	case string:
		if size = len(v); len(args) > 3 {
			return nil, errors.New("cannot 3-index slice a string")
		}
	case []any:
		size = len(v)
	default:
		return nil, fmt.Errorf("can't slice item of %s", printed(v))
	}
	at := []int{0, size, size}
	for i, v := range args[1:] {
		var err error
		if at[i], err = position(v, size); err != nil {
			return nil, err
		}
	}
	if at[0] > at[1] || at[1] > at[2] {
		return nil, fmt.Errorf("invalid slice index: %d > %d", at[0], at[1])
	}
	if s, ok := args[0].(string); ok {
		return s[at[0]:at[1]], nil
	}
	return args[0].([]any)[at[0]:at[1]:at[2]], nil
}

// Errors of comparisons, as the library words them.
var (
	errKinds = errors.New("incompatible types for comparison")
	errBasic = errors.New("invalid type for comparison")
)

func equal(a, b any) (bool, error) {
	if !basic(a) || !basic(b) {
		if a == nil || b == nil {
			return a == nil && b == nil, nil
		}
		return false, errBasic
	}
	if fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) {
		return false, errKinds
	}
	return a == b, nil
}

func basic(v any) bool {
	switch v.(type) {
	case string, int, bool, float64, complex128:
		return true
	}
	return false
}

// order compares two values: it returns -1, 0 or 1.
func order(a, b any) (int, error) {
	if !basic(a) || !basic(b) {
		return 0, errBasic
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b), nil
		}
	case int:
		if b, ok := b.(int); ok {
			return cmp.Compare(a, b), nil
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b), nil
		}
	case bool, complex128:
		return 0, errBasic
	}
	return 0, errKinds
}
