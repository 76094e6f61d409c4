package eval

import (
	"math"

	"nix2gpu/nix/syntax"
)

func mathBuiltins() []*Builtin {
	arithmetic := func(name, doc string, op syntax.Op) *Builtin {
		return &Builtin{Name: name, Args: []string{"x", "y"}, Doc: doc,
			Fn: func(t *Thread, args []Value) Value {
				return t.arithmetic(t.Pos(), op, t.Force(args[0]), t.Force(args[1]))
			}}
	}
	bits := func(name, doc string, op func(x, y int64) int64) *Builtin {
		return &Builtin{Name: name, Args: []string{"x", "y"}, Doc: doc,
			Fn: func(t *Thread, args []Value) Value { return MakeInt(op(t.Int(args[0]), t.Int(args[1]))) }}
	}
	round := func(name, doc string, f func(float64) float64) *Builtin {
		return &Builtin{Name: name, Args: []string{"x"}, Doc: doc,
			Fn: func(t *Thread, args []Value) Value {
				v := t.Force(args[0])
				if n, ok := v.(Int); ok {
					return n
				}
				x := f(t.number(t.Pos(), v))
				if !(x >= math.MinInt64 && x < math.MaxInt64) { // also when it is not a number
					t.Throw("%s is not possible: %s does not fit an integer", name, formatFloat(Float(x)))
				}
				return MakeInt(int64(x))
			}}
	}
	return []*Builtin{
		arithmetic("add", "The sum of two numbers.", syntax.OpAdd),
		arithmetic("sub", "The difference of two numbers.", syntax.OpSub),
		arithmetic("mul", "The product of two numbers.", syntax.OpMul),
		arithmetic("div", "The quotient of two numbers; of two integers, without the remainder.", syntax.OpDiv),
		bits("bitAnd", "The bitwise and of two integers.", func(x, y int64) int64 { return x & y }),
		bits("bitOr", "The bitwise or of two integers.", func(x, y int64) int64 { return x | y }),
		bits("bitXor", "The bitwise exclusive or of two integers.", func(x, y int64) int64 { return x ^ y }),
		round("ceil", "The smallest integer that is not below a number.", math.Ceil),
		round("floor", "The largest integer that is not above a number.", math.Floor),
		{Name: "lessThan", Args: []string{"x", "y"},
			Doc: "Whether x < y. Both are numbers, strings, paths, or lists of these.",
			Fn: func(t *Thread, args []Value) Value {
				return Bool(t.less(t.Force(args[0]), t.Force(args[1]), t.Pos()))
			}},
	}
}
