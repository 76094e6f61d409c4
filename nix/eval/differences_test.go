package eval_test

import (
	"regexp"
	"strings"
)

// A difference is one between this evaluator and Nix 2.8 that is meant.
type difference struct {
	what   string         // for the page
	why    string         // likewise
	where  *regexp.Regexp // the row
	theirs *regexp.Regexp // the verdict of Nix
	ours   *regexp.Regexp
}

func re(text string) *regexp.Regexp { return regexp.MustCompile(text) }

// differences lists all that TestCoverage and TestRandomAgainstNix may find.
var differences = []difference{
	{"An integer that overflows is an error.", "As newer Nix; 2.8 wraps around.",
		re(``), re(``), re(`^error: .*integer overflow`)},
	{"`toJSON` writes a float as a float: `-2.0`.", "As newer Nix; 2.8 writes `-2`.",
		re(`^toJSON$`), re(`^'-?\d+'$`), re(`^'-?\d+\.0'$`)},
	{"`ceil` and `floor` return an integer as it is.", "As newer Nix; 2.8 goes by way of a float, which loses the last digits.",
		re(`^(ceil|floor)$`), re(`^-9223372036854775808$`), re(`^9223372036854775807$`)},
	{"`filter` and `sort` do not look at the function if the list is empty.", "As newer Nix.",
		re(`^(filter|sort)$`), re(`^error: value is .* while a function was expected`), re(`^\[  \]$`)},
	{"`filterSource` takes a set with `__functor`.", "As newer Nix.",
		re(`^filterSource$`), re(`not a function but a set`), re(`^'/nix/store`)},
	{"The pipes `|>` and `<|` are part of the language.", "In newer Nix, behind an experimental feature.",
		re(`^literals$`), re(`^error: syntax error`), re(`^2$`)},
	{"`<nix/fetchurl.nix>` is not built in.", "It only serves to fetch, which this evaluator does not do.",
		re(`^literals$`), re(`^path:.*fetchurl.nix$`), re(`^caught$`)},
	{"A path may have two slashes in a row.", "Nix takes them only beside an interpolation.",
		re(`^literals$`), re(`unexpected PATH_END`), re(`^path:`)},
	{"The same builtin function in two lists is equal to itself.", "In Nix it is equal only if both took it from the same variable.",
		re(`^\[ \$ \] == \[ @ \]$`), re(`^false$`), re(`^true$`)},
	{"The position of an attribute of `inherit (e) a b;` is that of its name.", "As newer Nix; in 2.8 it is the end of what stands before the names.",
		re(`^(literals|random)$`), re(`column`), re(`column`)},
	{"A set that needs itself for the name of an attribute is an infinite recursion.", "As newer Nix; in 2.8 it sees itself half made.",
		re(`^literals$`), re(`=`), re(`infinite recursion`)},
	{"`replaceStrings` computes a replacement when it is used.", "As newer Nix; 2.8 computes all.",
		re(`^literals$`), re(`^caught$`), re(`^'b'$`)},
	{"A group of a regular expression that is repeated has its last round that was not empty, and the longest of several matches wins.", "As POSIX says; the library that Nix uses goes on with an empty round, and may stop at a shorter match.",
		re(`^literals$`), re(`^\[ '' \]$`), re(`^\[ 'xx' \]$`)},
	{"`fromJSON` rejects an integer that does not fit.", "As newer Nix; 2.8 wraps around.",
		re(`^literals$`), re(`^-9223372036854775808$`), re(`the JSON number .* does not fit`)},
	{"`fromJSON` rejects a text with a zero byte.", "As newer Nix; 2.8 ends the text there.",
		re(`^literals$`), re(`^'a'$`), re(`zero byte`)},
	{"`fromTOML` rejects a text with a zero byte, and so does the parser a string with one.", "As newer Nix; 2.8 ends the text there.",
		re(`^literals$`), re(`^\{ 'a'='a'; \}`), re(`zero byte`)},
	{"Nothing is built during the evaluation: for `pathExists` there is nothing in the output of a derivation.", "The definition of a container names programs that are installed later.",
		re(`^pathExists$`), re(`is required to build`), re(`^false$`)},
	{"A source cannot have a name that ends in `.drv`.", "Only files of derivations have such names.",
		re(`^(filterSource|path)$`), re(`\.drv`), re(`ends in .drv`)},
}

// foundDifferences has an example of each difference that was seen.
type foundDifferences map[string]string

// explain reports whether a difference is a known one.
func (f foundDifferences) explain(row, text string, ours, theirs verdict) bool {
	for _, d := range differences {
		if d.where.MatchString(row) && d.theirs.MatchString(theirs.String()) && d.ours.MatchString(ours.String()) {
			if f[d.what] == "" {
				f[d.what] = text
			}
			return true
		}
	}
	return false
}

func (f foundDifferences) page(added []string) string {
	var b strings.Builder
	b.WriteString("# Where the language differs from Nix 2.8\n\n" +
		"A test evaluates more than 100,000 expressions with this evaluator and with Nix 2.8: each builtin with each type of argument at each place, " +
		"and each form of the language. They agree in values, contexts, and which errors `tryEval` catches, but for this. " +
		"Where versions of Nix differ, this evaluator follows 2.36.\n\n| here | why | example |\n|---|---|---|\n")
	for _, d := range differences {
		b.WriteString("| " + strings.ReplaceAll(d.what, "|", `\|`) + " | " + d.why + " | `" + strings.ReplaceAll(f[d.what], "|", `\|`) + "` |\n")
	}
	b.WriteString("\nBuiltins of newer Nix, which 2.8 has not: `" + strings.Join(added, "`, `") + "`. " +
		"Dates and times of `fromTOML` are an error in 2.8, and here and in newer Nix unless the feature `parse-toml-timestamps` is on. " +
		"`builtins.nixPath` has absolute paths, and 2.8 those that were typed.\n")
	return b.String()
}
