package definition

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
)

// A Chapter is a part of the reference: options that belong together.
type Chapter struct {
	Name    string // "container", "service", or the name of a type of service
	Aliases []string
	Doc     string
	Options []module.Doc
}

// Reference documents every option that a definition can set: the container's
// own, those that every service has, and those of each type of service.
func Reference() []Chapter {
	container := ContainerOptions()
	delete(container, "services")
	all := []Chapter{
		{Name: "container", Doc: "The options of a container, nix2gpu.<name>.", Options: module.Describe(container)},
		everyService(),
	}
	for _, t := range catalog.Types() {
		own := t.Options()
		if p, ok := t.Schema().Options["package"]; ok {
			own["package"] = p
		}
		all = append(all, Chapter{Name: t.Name, Aliases: t.Aliases, Doc: t.Doc,
			Options: below(module.Describe(own), "services", t.Name, "<name>")})
	}
	return all
}

// everyService returns the chapter of the options that all types of services share.
func everyService() Chapter {
	c := Chapter{Name: "service", Doc: "The options that every service has, whatever its type."}
	t, ok := catalog.Find("custom")
	if !ok {
		return c
	}
	common := t.Schema().Options
	own := t.Options()
	maps.DeleteFunc(common, func(name string, _ module.Option) bool { _, is := own[name]; return is })
	c.Options = below(module.Describe(common), "services", "<type>", "<name>")
	for i := range c.Options {
		c.Options[i].Default = strings.ReplaceAll(c.Options[i].Default, "custom", "<type>")
	}
	return c
}

// below puts path before the paths of docs.
func below(docs []module.Doc, path ...string) []module.Doc {
	for i := range docs {
		docs[i].Path = append(slices.Clone(path), docs[i].Path...)
	}
	return docs
}

// WriteReference writes the page of the reference: what is not of a type of service, each of
// which has a page of its own.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Options\n\nWhat a [definition](definitions.md) can set of a container, and of every service; the options of each type of service are on " +
		"[a page of its own](services/README.md).\n`nix2gpu options` and `nix2gpu options TYPE` print the same. What options of a container do to its image is on [another page](image.md).\n")
	for _, c := range Reference()[:2] {
		title := map[string]string{"container": "Containers", "service": "Every service"}[c.Name]
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", title, c.Doc)
		if err := module.WriteMarkdown(&b, c.Options); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}
