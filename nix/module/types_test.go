package module_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// TestTypes assigns values, one module each, to an option of a type, and expects the
// merged value or the error.
func TestTypes(t *testing.T) {
	s := func(text string) module.Str { return module.Str{S: text} }
	even := module.Checked(module.Int, "even integer", func(v any) bool { return v.(int64)%2 == 0 })
	length := module.Coerced(module.String, func(v any) (any, error) {
		if text := v.(module.Str).S; text != "" {
			return len(text), nil
		}
		return nil, errors.New("must not be empty")
	}, module.Int)
	for name, c := range map[string]struct {
		typ    module.Type
		values []string
		want   any
		err    string
	}{
		"u8, its least":          {module.IntRange("", 0, 255), []string{"0"}, int64(0), ""},
		"u8, its most":           {module.IntRange("", 0, 255), []string{"255"}, int64(255), ""},
		"u8, too much":           {module.IntRange("", 0, 255), []string{"256"}, nil, "is not of type `integer between 0 and 255 (both inclusive)': 256"},
		"u8, too little":         {module.IntRange("", 0, 255), []string{"(-1)"}, nil, "is not of type"},
		"a port":                 {module.Port, []string{"65535"}, int64(65535), ""},
		"no port":                {module.Port, []string{"65536"}, nil, "is not of type"},
		"unsigned":               {module.UnsignedInt, []string{"0"}, int64(0), ""},
		"not unsigned":           {module.UnsignedInt, []string{"(-1)"}, nil, "unsigned integer, meaning >=0"},
		"positive":               {module.PositiveInt, []string{"1"}, int64(1), ""},
		"not positive":           {module.PositiveInt, []string{"0"}, nil, "positive integer, meaning >0"},
		"a range of numbers":     {module.NumberRange(0.5, 2), []string{"0.5"}, 0.5, ""},
		"its end":                {module.NumberRange(0.5, 2), []string{"2"}, int64(2), ""},
		"below it":               {module.NumberRange(0.5, 2), []string{"0.4"}, nil, "integer or floating point number between 0.5 and 2 (both inclusive)"},
		"above it":               {module.NumberRange(0.5, 2), []string{"2.1"}, nil, "is not of type"},
		"no number":              {module.NumberRange(0.5, 2), []string{`"1"`}, nil, "is not of type"},
		"zero is not negative":   {module.NonNegative, []string{"0"}, int64(0), ""},
		"negative":               {module.NonNegative, []string{"(-0.1)"}, nil, "is not of type"},
		"zero is not positive":   {module.PositiveNumber, []string{"0.0"}, nil, "is not of type"},
		"a positive number":      {module.PositiveNumber, []string{"0.1"}, 0.1, ""},
		"text with content":      {module.NonEmptyString, []string{`"x"`}, s("x"), ""},
		"text without":           {module.NonEmptyString, []string{`" "`}, nil, "non-empty string"},
		"a line":                 {module.SingleLineString, []string{`"x\n"`}, s("x"), ""},
		"two lines":              {module.SingleLineString, []string{`"x\ny"`}, nil, "is not of type"},
		"commas":                 {module.Commas, []string{`"b"`, `"a"`}, s("a,b"), ""},
		"colons":                 {module.EnvVar, []string{`"b"`, `"a"`}, s("a:b"), ""},
		"matching":               {module.Matching("[a-z]+", ""), []string{`"abc"`}, s("abc"), ""},
		"matching as a whole":    {module.Matching("[a-z]+", ""), []string{`"abc1"`}, nil, "string matching the pattern [a-z]+"},
		"matching, described":    {module.Matching("[a-z]+", "a word"), []string{`"1"`}, nil, "is not of type `a word'"},
		"an enum":                {module.Enum("a", 1, 1.5, true, module.Null), []string{"1.5"}, 1.5, ""},
		"null of an enum":        {module.Enum("a", 1, 1.5, true, module.Null), []string{"null"}, nil, ""},
		"not of an enum":         {module.Enum("a", 1, 1.5, true, module.Null), []string{`"b"`}, nil, `one of "a", 1, 1.5, true, null`},
		"an enum of one":         {module.Enum("a"), []string{`"b"`}, nil, `value "a" (singular enum)`},
		"an enum of none":        {module.Enum(), []string{`"b"`}, nil, "impossible (empty enum)"},
		"checked":                {even, []string{"4"}, int64(4), ""},
		"checked, and wrong":     {even, []string{"3"}, nil, "is not of type `even integer': 3"},
		"checked, another type":  {even, []string{`"x"`}, nil, "is not of type `even integer'"},
		"coerced":                {length, []string{`"four"`}, int64(4), ""},
		"not coerced":            {length, []string{"4"}, int64(4), ""},
		"coerced in vain":        {length, []string{`""`}, nil, "`o': must not be empty"},
		"neither":                {length, []string{"true"}, nil, "signed integer or string convertible to it"},
		"a list with elements":   {module.NonEmptyListOf(module.Int), []string{"[ 1 ]"}, []any{int64(1)}, ""},
		"a list without":         {module.NonEmptyListOf(module.Int), []string{"[ ]"}, nil, "non-empty (list of signed integer)"},
		"a list of another type": {module.NonEmptyListOf(module.Int), []string{`[ "x" ]`}, nil, "`o[0]' is not of type `signed integer'"},
		"no list":                {module.ListOf(module.Int), []string{"1"}, nil, "hint: write [ 1 ]"},
		"once":                   {module.Uniq(module.ListOf(module.Int)), []string{"[ 1 ]"}, []any{int64(1)}, ""},
		"twice":                  {module.Uniq(module.ListOf(module.Int)), []string{"[ 1 ]", "[ 1 ]"}, nil, "the option `o' is defined more than once"},
		"raw":                    {module.Raw, []string{"{ a = 1; }"}, map[string]any{"a": int64(1)}, ""},
		"raw twice":              {module.Raw, []string{"1", "1"}, nil, "is defined more than once, and its definitions cannot be merged"},
		"sets, the first":        {module.Attrs, []string{"{ a = 1; b = 1; }", "{ a = 2; }"}, map[string]any{"a": int64(1), "b": int64(1)}, ""},
		"no set":                 {module.Attrs, []string{"[ ]"}, nil, "attribute set"},
		"anything, lists":        {module.Anything, []string{"[ 2 ]", "[ 1 ]"}, []any{int64(1), int64(2)}, ""},
		"anything, sets":         {module.Anything, []string{"{ a.b = 1; }", "{ a.c = 2; }"}, map[string]any{"a": map[string]any{"b": int64(1), "c": int64(2)}}, ""},
		"anything, equal":        {module.Anything, []string{"1", "1"}, int64(1), ""},
		"anything, different":    {module.Anything, []string{"1", "2"}, nil, "has conflicting definitions"},
		"anything, mixed":        {module.Anything, []string{"1", `"x"`}, nil, "the option `o'"},
		"unspecified, sets":      {module.Unspecified, []string{"{ a = 1; }", "{ b = 2; }"}, map[string]any{"a": int64(1), "b": int64(2)}, ""},
		"unspecified, one":       {module.Unspecified, []string{"5"}, int64(5), ""},
		"a path":                 {module.Path, []string{"/a/b"}, module.Str{S: "/a/b", Context: []string{"source:/a/b"}}, ""},
		"a path as text":         {module.Path, []string{`"/a/b"`}, s("/a/b"), ""},
		"a package as a path":    {module.Path, []string{`{ outPath = "/p"; }`}, s("/p"), ""},
		"a relative one":         {module.Path, []string{`"a/b"`}, nil, "absolute path"},
		"quotes around a path":   {module.Path, []string{`"./a"`}, nil, "hint: write it without quotes: ./a"},
		"a package":              {module.Package, []string{`{ type = "derivation"; outPath = "/nix/store/x"; }`}, s("/nix/store/x"), ""},
		"a path of the store":    {module.Package, []string{`"/nix/store/x"`}, s("/nix/store/x"), ""},
		"a package by its name":  {module.Package, []string{`"hello"`}, nil, "hint: write pkgs.hello"},
		"one or the other":       {module.OneOf(module.Int, module.ListOf(module.Int)), []string{"[ 1 ]"}, []any{int64(1)}, ""},
		"neither of them":        {module.OneOf(module.Int, module.ListOf(module.Int)), []string{"true"}, nil, "signed integer or list of signed integer"},
		"null or both":           {module.NullOr(module.Int), []string{"null", "1"}, nil, "the option `o'"},
		"null twice":             {module.NullOr(module.Int), []string{"null", "null"}, nil, ""},
		"merged by a function":   {module.FunctionTo(module.ListOf(module.Int)), []string{"x: [ x ]", "x: [ (x + 1) ]"}, nil, "is a function, which has no meaning here"},
		"JSON":                   {module.AttrsOf(module.JSON), []string{"{ a = [ 1 2.5 null true { b = \"x\"; } ]; }"}, map[string]any{"a": []any{int64(1), 2.5, nil, true, map[string]any{"b": s("x")}}}, ""},
		"no JSON":                {module.AttrsOf(module.JSON), []string{"{ a = x: x; }"}, nil, "`o.a' is not of type"},
	} {
		t.Run(name, func(t *testing.T) {
			ev, sys := newSystem()
			spec := module.Spec{Modules: []module.Module{module.Declare(module.Options{"o": {Type: c.typ}}, nil)}}
			for _, v := range c.values {
				spec.Modules = append(spec.Modules, module.FromValue(nix(t, ev, sys, "t.nix", "{ o = "+v+"; }"), "t.nix"))
			}
			e := sys.Evaluate(t.Context(), spec)
			got := e.Config().Any("o")
			err := e.Err()
			switch {
			case c.err == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
				t.Errorf("got %#v, %v, want %#v", got, err, c.want)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("got %#v, error %v, want %q", got, err, c.err)
			}
		})
	}
}

// TestProgram: a package has a main program, and nothing else has.
func TestProgram(t *testing.T) {
	for value, c := range map[string]struct {
		want string
		ok   bool
		err  string
	}{
		`{ outPath = "/p"; meta.mainProgram = "run"; }`:                   {want: "/p/bin/run", ok: true},
		`{ outPath = "/p"; bin.outPath = "/b"; meta.mainProgram = "r"; }`: {want: "/b/bin/r", ok: true},
		`{ outPath = "/p"; }`:                          {want: "/p", ok: true},
		`{ outPath = "/p"; meta = { }; }`:              {want: "/p", ok: true},
		`{ outPath = "/p"; meta.mainProgram = null; }`: {want: "/p", ok: true},
		`{ outPath = "/p"; meta.mainProgram = ""; }`:   {ok: true, err: "the package has no main program"},
		`{ outPath = throw "no path"; }`:               {ok: true, err: "no path"},
		`{ __toString = _: "/p"; }`:                    {},
		`"/p"`:                                         {},
		`/p`:                                           {},
		`[ ]`:                                          {},
		`null`:                                         {},
	} {
		ev, sys := newSystem()
		e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
			module.Declare(module.Options{"o": {Type: module.Raw}}, nil),
			module.FromValue(nix(t, ev, sys, "t.nix", "{ o = "+value+"; }"), "t.nix"),
		}})
		got, ok := e.Config().Program("o")
		err := e.Err()
		if got.S != c.want || ok != c.ok || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %t, %v, want %q, %t, %q", value, got.S, ok, err, c.want, c.ok, c.err)
		}
	}
	if s, ok := evaluate(t, "t.nix", `{ }`).Config().Program("nothing", "here"); ok || s.S != "" {
		t.Errorf("of nothing: %q", s.S)
	}
}

// TestReaders reads values in the ways that the other tests do not.
func TestReaders(t *testing.T) {
	ev, sys := newSystem()
	v := nix(t, ev, sys, "v", `{ a = "1"; b = "2"; }`).(*eval.Attrs)
	pos := module.Pos{}
	e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
		module.Declare(module.Options{
			"map":   {Type: module.AttrsOf(module.String), Default: map[string]string{"z": "d"}},
			"list":  {Type: module.ListOf(module.String), Default: []string{"x", "y"}},
			"ints":  {Type: module.ListOf(module.Int), Default: []int{1, 2}},
			"float": {Type: module.Number, Default: 1.5},
			"word":  {Type: module.String, Default: module.Str{S: "w", Context: []string{"package:w"}}},
			"big":   {Type: module.Int, Default: int64(5)},
			"deep":  {Type: module.Raw, Default: map[string]any{"a": []any{1, "x", nil, module.Expr("lib.toUpper \"y\"")}}},
		}, nil),
		module.AsConfig(eval.NewAttrs(1).Set("map", v).Done(), pos, "go"),
	}})
	c := e.Config()
	for _, test := range []struct {
		what      string
		got, want any
	}{
		{"StrMap", c.StrMap("map"), map[string]module.Str{"a": {S: "1"}, "b": {S: "2"}}},
		{"StrMap of nothing", c.StrMap("nothing"), map[string]module.Str{}},
		{"Strs", c.Strs("list"), []module.Str{{S: "x"}, {S: "y"}}},
		{"List of a string", len(c.List("word")), 0},
		{"Keys of a string", len(c.Keys("word")), 0},
		{"ints", c.Any("ints"), []any{int64(1), int64(2)}},
		{"float", c.Float("float"), 1.5},
		{"int as float", c.Float("big"), 5.0},
		{"float of nothing", c.Float("nothing"), 0.0},
		{"word", c.Str("word"), module.Str{S: "w", Context: []string{"package:w"}}},
		{"deep", c.Any("deep"), map[string]any{"a": []any{int64(1), module.Str{S: "x"}, nil, module.Str{S: "Y"}}}},
		{"root name", c.Name(), ""},
		{"shown list", c.Show("list"), `[ "x" "y" ]`},
		{"nothing at all", c.Get("nothing", "below").Any(), nil},
		{"nothing has no keys", len(c.Get("nothing").Each()), 0},
		{"nothing has no place", c.Get("nothing").Pos().IsValid(), false},
		{"kinds", c.Kind("map").String() + c.Kind("float").String() + c.Kind("nothing").String(), "setfloatmissing"},
	} {
		if !reflect.DeepEqual(test.got, test.want) {
			t.Errorf("%s: got %#v, want %#v", test.what, test.got, test.want)
		}
	}
	if f, ok := c.Func("nothing"); ok || f.Call().Kind() != module.Missing {
		t.Error("nothing can be called")
	}
	c.Check()
	c.Get("map").Check()
	if err := e.Err(); err != nil {
		t.Error(err)
	}
}
