package eval

import (
	"math"
	"strconv"
	"strings"

	"nix2gpu/nix/syntax"
)

// PrintOptions tunes [Thread.Print]. The zero value prints everything that is computed
// already.
type PrintOptions struct {
	Force    bool   // compute what is not, instead of printing <CODE>
	Indent   string // what each level is indented by; "": all on one line
	MaxDepth int    // of lists and sets that are shown with their contents; 0: no limit
	MaxItems int    // shown of each list and set; 0: no limit
	MaxText  int    // bytes shown of each string; 0: no limit
}

// Print returns a value in the syntax of the language, as nix-instantiate --eval does:
// functions are <LAMBDA> and <PRIMOP>.
func (t *Thread) Print(v Value, opts PrintOptions) string {
	p := printer{t: t, opts: opts, seen: map[any]bool{}}
	p.value(v, 0)
	return p.out.String()
}

// brief returns a value for an error message. It computes nothing.
func (t *Thread) brief(v Value) string {
	return t.Print(v, PrintOptions{MaxDepth: 2, MaxItems: 5, MaxText: 80})
}

// maxPrinted limits the text of a printed value, in bytes.
const maxPrinted = 1 << 30

type printer struct {
	t    *Thread
	opts PrintOptions
	out  strings.Builder
	seen map[any]bool // sets and lists, or thunks of lists, that were printed
}

func (p *printer) value(v Value, depth int) {
	p.t.step()
	p.t.checkSize(p.out.Len(), maxPrinted)
	cell := v
	if p.opts.Force {
		v = p.t.Force(v)
	}
	switch v := Computed(v).(type) {
	case *Thunk:
		p.out.WriteString("<CODE>")
	case Null:
		p.out.WriteString("null")
	case Bool:
		p.out.WriteString(strconv.FormatBool(bool(v)))
	case Int:
		p.out.WriteString(formatInt(v))
	case Float:
		p.out.WriteString(formatFloat(v))
	case *String:
		p.text(v.s)
	case Path:
		p.out.WriteString(string(v))
	case *Lambda:
		p.out.WriteString("<LAMBDA>")
	case *Primitive:
		if len(v.args) > 0 {
			p.out.WriteString("<PRIMOP-APP>")
		} else {
			p.out.WriteString("<PRIMOP>")
		}
	case *Opaque:
		p.out.WriteString("«" + v.Kind + "»")
	case *List:
		switch {
		case len(v.elems) > 2:
			cell = v
		case depth == 0: // the value of an expression is a copy
			cell = &List{}
		}
		p.collection(cell, "[", "]", len(v.elems), depth, func(i int) { p.value(v.elems[i], depth+1) })
	case *Attrs:
		p.collection(v, "{", "}", v.n, depth, func(i int) {
			p.out.WriteString(syntax.QuoteName(v.shape.names[i]) + " = ")
			p.value(v.vals()[i], depth+1)
			p.out.WriteByte(';')
		})
	}
}

// collection prints n items between brackets. What was printed before is «repeated»: the same
// set or list; of one or two elements, which Nix copies, only a list that the same thunk holds.
func (p *printer) collection(cell Value, open, end string, n, depth int, item func(i int)) {
	if n == 0 {
		p.out.WriteString(open + " " + end)
		return
	}
	if p.seen[cell] {
		p.out.WriteString("«repeated»")
		return
	}
	if p.opts.MaxDepth > 0 && depth >= p.opts.MaxDepth {
		p.out.WriteString(open + " … " + end)
		return
	}
	p.seen[cell] = true
	p.t.enter()
	p.out.WriteString(open)
	for i := range n {
		p.space(depth + 1)
		if p.opts.MaxItems > 0 && i >= p.opts.MaxItems {
			p.out.WriteString("«" + strconv.Itoa(n-i) + " more»")
			break
		}
		item(i)
	}
	p.space(depth)
	p.out.WriteString(end)
	p.t.leave()
}

func (p *printer) space(depth int) {
	if p.opts.Indent == "" {
		p.out.WriteByte(' ')
		return
	}
	p.out.WriteString("\n" + strings.Repeat(p.opts.Indent, depth))
}

func (p *printer) text(s string) {
	if limit := p.opts.MaxText; limit > 0 && len(s) > limit {
		p.out.WriteString(syntax.Quote(strings.ToValidUTF8(s[:limit], "")) +
			" «" + strconv.Itoa(len(s)-limit) + " bytes more»")
		return
	}
	p.t.spend(2 * len(s))
	p.out.WriteString(syntax.Quote(s))
}

func formatInt(n Int) string { return strconv.FormatInt(int64(n), 10) }

// formatFloat returns f as C's %g with six digits does, which is how values are
// printed.
func formatFloat(f Float) string {
	switch x := float64(f); {
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	case math.IsNaN(x):
		return "nan"
	}
	digits := strconv.FormatFloat(float64(f), 'e', 5, 64)
	mantissa, exponent, _ := strings.Cut(digits, "e")
	e, _ := strconv.Atoi(exponent)
	if e < -4 || e >= 6 {
		if strings.Contains(mantissa, ".") {
			mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		}
		return mantissa + "e" + exponent
	}
	fixed := strconv.FormatFloat(float64(f), 'f', 5-e, 64)
	if strings.Contains(fixed, ".") {
		fixed = strings.TrimRight(strings.TrimRight(fixed, "0"), ".")
	}
	return fixed
}

// formatFloatFixed returns f as C's %f does, which is what toString returns.
func formatFloatFixed(f Float) string {
	if math.IsInf(float64(f), 0) || math.IsNaN(float64(f)) {
		return formatFloat(f)
	}
	return strconv.FormatFloat(float64(f), 'f', 6, 64)
}
