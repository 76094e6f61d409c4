package module

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the reference of options: a section for each, in the order of
// docs.
func WriteMarkdown(w io.Writer, docs []Doc) error {
	var b strings.Builder
	for _, d := range docs {
		fmt.Fprintf(&b, "### `%s`\n\n", d)
		if d.AliasOf != "" {
			fmt.Fprintf(&b, "Another name of `%s`.\n\n", d.AliasOf)
			continue
		}
		if d.Description != "" {
			b.WriteString(strings.TrimSpace(d.Description) + "\n\n")
		}
		if d.Deprecated != "" {
			fmt.Fprintf(&b, "Deprecated: %s.\n\n", d.Deprecated)
		}
		fmt.Fprintf(&b, "- type: %s", d.Type)
		if d.ReadOnly {
			b.WriteString(", read-only")
		}
		b.WriteByte('\n')
		writeCode(&b, "default", d.Default)
		writeCode(&b, "example", d.Example)
		for _, p := range d.Declared {
			fmt.Fprintf(&b, "- declared at %s\n", p)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCode writes Nix source, in a block of its own if it has several lines.
func writeCode(b *strings.Builder, what, code string) {
	switch {
	case code == "":
	case strings.Contains(code, "\n"):
		fmt.Fprintf(b, "- %s:\n\n  ```nix\n  %s\n  ```\n\n", what, strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n  "))
	case strings.Contains(code, "`"):
		fmt.Fprintf(b, "- %s: `` %s ``\n", what, code)
	default:
		fmt.Fprintf(b, "- %s: `%s`\n", what, code)
	}
}

// WriteText writes the same for a terminal.
func WriteText(w io.Writer, docs []Doc) error {
	var b strings.Builder
	for _, d := range docs {
		b.WriteString(d.String() + "\n")
		if d.AliasOf != "" {
			fmt.Fprintf(&b, "    another name of %s\n\n", d.AliasOf)
			continue
		}
		line := func(what, text string) {
			if text = strings.TrimSpace(text); text != "" {
				fmt.Fprintf(&b, "    %-8s %s\n", what, strings.ReplaceAll(text, "\n", "\n             "))
			}
		}
		if about := strings.TrimSpace(d.Description); about != "" {
			b.WriteString("    " + strings.ReplaceAll(about, "\n", "\n    ") + "\n")
		}
		line("instead", d.Deprecated)
		line("type", d.Type)
		line("default", d.Default)
		line("example", d.Example)
		for _, p := range d.Declared {
			line("declared", p.String())
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
