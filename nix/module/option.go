package module

// Options declares options by name. The zero Option accepts any single value and has no
// default.
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

	// Default is assigned with the lowest priority. nil means no default: reading the
	// option is then an error unless something assigns it. A default of null is [Null].
	Default any

	// DefaultFrom computes the default when it is needed, from the options around it.
	// It may read any option that does not depend on this one.
	DefaultFrom func(c *Config) any

	DefaultText string // shown in the reference instead of the default
	Example     any    // shown in the reference; Expr for an expression
	Description string // Markdown; the first sentence is the summary

	Internal bool // left out of the reference
	ReadOnly bool // may be assigned only once

	// AliasOf makes this an alias of an option beside it. The path has one step, from
	// the set of options that declares the alias. Assignments are passed on with their
	// priorities and positions; Type and Default are not used.
	AliasOf []string

	// NoEffect says why the option changes nothing, if it is only accepted because
	// definitions for another program have it. A note tells this to whoever sets it.
	NoEffect string
	// Deprecated says what to use instead, in a warning if the option is assigned.
	Deprecated string

	// Set makes this a group of options; all other fields are then ignored.
	Set Options
}

// Null is Nix's null, because nil means that nothing was given.
var Null any = null{}

type null struct{}

// An Expr is Nix source, which the reference shows as it is. As a Default it is
// evaluated with the module arguments in scope: Expr("pkgs.redis").
type Expr string

// A Str is a string with its context: what the string refers to, such as
// "package:python3". The context is sorted, and mostly empty.
type Str struct {
	S       string
	Context []string
}

// Enable returns the option "enable", which nearly every service has; its default is
// false.
func Enable(what string) Option {
	return Option{Type: Bool, Default: false, Example: true, Description: "Whether to enable " + what + "."}
}

// PackageOption returns an option for a package; its default is pkgs.<attr>.
func PackageOption(attr string) Option {
	return Option{
		Type:        Package,
		Default:     Expr("pkgs." + attr),
		Description: "The " + attr + " package to use.",
	}
}

// A Schema is what a submodule declares.
type Schema struct {
	Options Options

	// Freeform is the type of every attribute that is not declared; nil: such an
	// attribute is an error.
	Freeform Type

	// Modules are merged with the declarations above, for instance those of the user.
	Modules []Module
}
