package module

// Options declares options by name. The zero Option is one that takes any
// single value and has no default.
//
//	module.Options{
//		"enable": {Type: module.Bool, Default: false, Description: "Whether to run the server."},
//		"port":   {Type: module.Port, Default: 6379, Description: "The port to listen on."},
//		"tls":    {Set: module.Options{"cert": {Type: module.NullOr(module.Path), Default: module.Null}}},
//	}
type Options map[string]Option

// An Option is one declaration.
//
// Values given from Go (Default, Example) are nil, [Null], bool, int, int64,
// float64, string, [Str], [Expr], *[Config], and slices and string-keyed maps
// of them.
type Option struct {
	Type Type // default: Unspecified

	// Default is assigned with the lowest priority. nil means that there is no
	// default: reading the option is then an error unless something assigns it.
	// A default of Nix's null is [Null].
	Default any

	// DefaultFrom computes the default when it is needed, from the options
	// around it. It may read any other option that does not depend on this one.
	DefaultFrom func(c *Config) any

	DefaultText string // shown in the reference instead of the default
	Example     any    // shown in the reference; Expr for an expression
	Description string // Markdown; the first sentence is the summary

	Internal bool // left out of the reference
	ReadOnly bool // may be assigned once only

	// AliasOf makes this another name of an option beside it: the path counts
	// from the set of options that declares the alias, and has one step.
	// Assignments are passed on with their priorities and places; Type and
	// Default are not used.
	AliasOf []string

	// NoEffect says why a value changes nothing, of an option that is only taken
	// since definitions for another program have it. Who sets it is told.
	NoEffect string
	// Deprecated is the cure to name in a warning when the option is assigned.
	Deprecated string

	// Set makes this a group of options instead of an option; every other
	// field is then unused.
	Set Options
}

// Null is Nix's null, where nil would mean "nothing given".
var Null any = null{}

type null struct{}

// Expr is Nix source, shown as it is in the reference. As a Default it is
// evaluated with the module arguments in scope: Expr("pkgs.redis").
type Expr string

// Str is a string with its context: what the string refers to, such as
// "package:python3". The context is sorted and usually empty.
type Str struct {
	S       string
	Context []string
}

// Enable is the option "enable" of nearly every service, false by default.
func Enable(what string) Option {
	return Option{Type: Bool, Default: false, Example: true, Description: "Whether to enable " + what + "."}
}

// PackageOption is an option for a package, by default pkgs.<attr>.
func PackageOption(attr string) Option {
	return Option{
		Type:        Package,
		Default:     Expr("pkgs." + attr),
		Description: "The " + attr + " package to use.",
	}
}

// Schema is what a submodule declares.
type Schema struct {
	Options Options

	// Freeform is the type of every attribute that is not declared; nil makes
	// such an attribute an error.
	Freeform Type

	// Modules are merged with the declarations above, for instance the ones a
	// user brings along.
	Modules []Module
}
