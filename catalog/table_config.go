package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// A config is a file below the run folder: what we write, and the user's own over it.
type config struct {
	path    string   // with a slash in front
	format  string   // json, which is YAML as well; yaml, of which each key is a line; ini; or what is between a key and its value in lines
	instead string   // the option with a file of the user's, which takes the place of this one
	base    []entry  // in a file of ini, the keys are "section/key", and the section "@" is named as the instance
	overlay []string // options that are merged over base, the strongest last
	tail    []string // options with lines for the end, which win over those of base
}

// An entry is a key, whose parts are between slashes, and its value: a word, a whole word
// that is a number, the value of an option, a list of words, or a constant. Conditions are in front of
// the key, or of the word.
type entry struct {
	key   string
	value any
}

type (
	number string   // a word
	some   string   // an option, unless it is empty
	whole  string   // an option; in a file of ini, a line for each of its elements, with "env[" as PHP's env[NAME] = "value"
	named  []string // sets that have a name alone
)

func (f *config) file(in *tableInstance, more ...entry) project.File {
	switch f.format {
	case "json":
		tree := map[string]any{}
		for _, e := range f.entries(in, more) {
			if v, ok := in.constant(e.value); ok {
				plant(tree, strings.Split(e.key, "/"), v)
			}
		}
		for _, option := range f.overlay {
			tree = mergeDeep(tree, in.attrs(option))
		}
		return in.jsonFile(f.path, tree)
	case "ini":
		return project.File{Path: in.RunDir(f.path), Content: f.sections(in, more), Mode: "0640"}
	}
	b, escape := &textBuilder{}, ""
	if f.format == "yaml" {
		escape = quotes
		f.writeYAML(in, b, more)
	} else {
		writeLines(b, f.lines(in, more), f.format)
	}
	for _, option := range f.tail {
		b.add(in.Text(option))
		b.endLine()
	}
	return project.File{Path: in.RunDir(f.path), Content: b.text, Mode: "0640", Escape: escape}
}

// unused notes that options have no effect beside a file of the user's.
func (f *config) unused(in *tableInstance) {
	for _, option := range slices.Concat(f.overlay, f.tail) {
		if in.IsSet(option) {
			in.note(in.Get(option), "%s has no effect: %s is the whole configuration", option, f.instead)
		}
	}
}

// entries are those whose conditions hold.
func (f *config) entries(in *tableInstance, more []entry) (all []entry) {
	for _, e := range slices.Concat(f.base, more) {
		if key, ok := in.condition(e.key); ok {
			all = append(all, entry{key, e.value})
		}
	}
	return all
}

// writeYAML writes a line for each key, with dots in it: sets of the user's own become such keys.
func (f *config) writeYAML(in *tableInstance, b *textBuilder, more []entry) {
	keys := map[string]any{}
	for _, e := range f.entries(in, more) {
		if v, ok := in.constant(e.value); ok {
			keys[e.key] = v
		}
	}
	for _, option := range f.overlay {
		flatten(keys, "", in.attrs(option))
	}
	for _, key := range sortedKeys(keys) {
		if keys[key] != nil && !f.inTail(in, key) { // null of the user's removes one of ours
			b.add(project.Lit(key + ": "))
			in.writeJSON(b, keys[key])
			b.endLine()
		}
	}
}

// flatten adds what is in a tree of sets, below keys with dots.
func flatten(keys map[string]any, prefix string, tree map[string]any) {
	for name, v := range tree {
		if below, ok := v.(map[string]any); ok && len(below) > 0 {
			flatten(keys, prefix+name+".", below)
		} else {
			keys[prefix+name] = v
		}
	}
}

// inTail reports whether the lines at the end have the key: most servers refuse one that comes twice.
func (f *config) inTail(in *tableInstance, key string) bool {
	return slices.ContainsFunc(f.tail, func(option string) bool {
		_, ok := lineValue(in.String(option), key)
		return ok
	})
}

// constant is the value of an entry as Config.Any has values; ok is false if the entry is
// left out.
func (in *tableInstance) constant(value any) (v any, ok bool) {
	switch v := value.(type) {
	case string:
		return in.wordOrNothing(v)
	case number:
		text, ok := in.word(string(v))
		n, err := strconv.ParseInt(text.String(), 10, 64)
		return n, ok && err == nil
	case some:
		all := in.Any(strings.Split(string(v), ".")...)
		switch c := all.(type) {
		case nil:
			return nil, false
		case []any:
			return all, len(c) > 0
		case map[string]any:
			return all, len(c) > 0
		}
		return all, true
	case whole:
		return in.Any(strings.Split(string(v), ".")...), true
	case []string:
		list := []any{}
		for _, text := range in.words(v) {
			list = append(list, text)
		}
		return list, true
	case named:
		list := []any{}
		for _, name := range v {
			list = append(list, map[string]any{"name": project.Lit(name)})
		}
		return list, true
	case int:
		return int64(v), true
	case nil:
		return map[string]any{}, true
	}
	return value, true
}

// wordOrNothing keeps a word that is left out from becoming an empty text.
func (in *tableInstance) wordOrNothing(word string) (any, bool) {
	word, holds := in.condition(word)
	if !holds {
		return nil, false
	}
	return in.word(word)
}

// plant puts the value at a path of sets; a set is merged with what is there.
func plant(tree map[string]any, path []string, value any) {
	for _, part := range path[:len(path)-1] {
		below, ok := tree[part].(map[string]any)
		if !ok {
			below = map[string]any{}
			tree[part] = below
		}
		tree = below
	}
	last := path[len(path)-1]
	over, isSet := value.(map[string]any)
	if below, ok := tree[last].(map[string]any); ok && isSet {
		value = mergeDeep(below, over)
	}
	tree[last] = value
}

// lines is what a file of lines has, by key: null of the user's removes one of ours.
func (f *config) lines(in *tableInstance, more []entry) map[string]project.Text {
	lines := map[string]project.Text{}
	for _, e := range f.entries(in, more) {
		if text, ok := in.line(e.value); ok {
			lines[e.key] = text
		}
	}
	for _, option := range f.overlay {
		in.overlay(lines, in.Get(option))
	}
	maps.DeleteFunc(lines, func(key string, _ project.Text) bool { return f.inTail(in, key) })
	return lines
}

// line is the value of an entry in a file of lines.
func (in *tableInstance) line(value any) (project.Text, bool) {
	switch v := value.(type) {
	case string:
		word, holds := in.condition(v)
		if !holds {
			return nil, false
		}
		return in.word(word)
	case project.Text:
		return v, true
	case int:
		return project.Lit(strconv.Itoa(v)), true
	}
	return nil, false
}

// overlay puts the user's own values over lines.
func (in *tableInstance) overlay(lines map[string]project.Text, own *module.Config) {
	for _, c := range own.Each() {
		switch c.Kind() {
		case module.KindNull:
			delete(lines, c.Name())
		case module.KindList:
			lines[c.Name()] = project.Lit(strings.Join(c.Strings(), ","))
		default:
			lines[c.Name()] = in.scalar(c)
		}
	}
}

func (f *config) sections(in *tableInstance, more []entry) project.Text {
	sections := map[string]map[string]project.Text{}
	section := func(name string) map[string]project.Text {
		if sections[name] == nil {
			sections[name] = map[string]project.Text{}
		}
		return sections[name]
	}
	for _, e := range f.entries(in, more) {
		name, key, _ := strings.Cut(e.key, "/")
		if name == "@" {
			name = in.Name
		}
		if option, ok := e.value.(whole); ok {
			own := map[string]project.Text{}
			if key == "" {
				own = section(name)
			}
			if c := in.Get(string(option)); c.Kind() == module.KindAttrs {
				in.overlay(own, c)
			}
			for _, sub := range sortedKeys(own) {
				if key != "" {
					if strings.Contains(own[sub].String(), "\n") {
						in.Get(string(option), sub).Errorf("%s must be one line", sub)
					}
					section(name)[key+sub+"]"] = phpQuote(own[sub])
				}
			}
			continue
		}
		if text, ok := in.line(e.value); ok {
			section(name)[key] = text
		}
	}
	for _, option := range f.overlay {
		for _, own := range in.Each(option) {
			in.overlay(section(own.Name()), own)
		}
	}
	b := &textBuilder{}
	for _, name := range sortedKeys(sections) {
		b.line("[%s]", name)
		writeLines(b, sections[name], " = ")
	}
	return b.text
}

// writeLines writes a line for each key.
func writeLines(b *textBuilder, lines map[string]project.Text, between string) {
	for _, key := range sortedKeys(lines) {
		b.add(project.Lit(key+between), lines[key], project.Lit("\n"))
	}
}
