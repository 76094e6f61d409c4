package project

import (
	"path"
	"slices"
	"sort"
	"strings"
	"unicode"
)

// A Source is one of the files of a definition.
type Source struct{ Name, Text string }

// SourceNames returns the files in which the service and its options are set, sorted.
func (s *Service) SourceNames() (names []string) {
	add := func(pos Pos) {
		if pos.File != "" && !slices.Contains(names, pos.File) {
			names = append(names, pos.File)
		}
	}
	add(s.Pos)
	for _, pos := range s.Options {
		add(pos)
	}
	for _, p := range s.Ports {
		add(p.Pos)
	}
	slices.Sort(names)
	return names
}

// Origin finds the place in the sources that a line of a generated file comes from:
// that of the whole line, if it is the user's own text, else that of its longest word
// that stands in one place only.
func Origin(line string, sources []Source) (Pos, bool) {
	const telling = 4 // bytes; shorter words are too common to prove anything
	if strings.IndexFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) < 0 {
		return Pos{}, false // "}"
	}
	var words []string
	for _, w := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\"';{}=,", r) }) {
		if len(w) >= telling {
			words = append(words, w)
			if base := path.Base(w); base != w && len(base) >= telling {
				words = append(words, base)
			}
		}
	}
	sort.SliceStable(words, func(i, j int) bool { return len(words[i]) > len(words[j]) })
	for _, text := range append([]string{line}, words...) {
		var found []Pos
		for _, s := range sources {
			n := 0
			for l := range strings.Lines(s.Text) {
				n++
				if col := strings.Index(l, text); col >= 0 {
					found = append(found, Pos{File: s.Name, Line: n, Col: col + 1})
				}
			}
		}
		if len(found) == 1 {
			return found[0], true
		}
	}
	return Pos{}, false
}

// PlaceTexts sets File.Pos, line by line, in the files of servers that test their
// configuration, so that their errors can be placed where the definition is not at
// hand. It changes p. read returns the text of a file of the definition.
func (p *Project) PlaceTexts(read func(name string) (text string, ok bool)) {
	texts := map[string]string{}
	for _, s := range p.Services {
		main := p.Processes[s.Main]
		if main == nil || main.Test == nil {
			continue
		}
		var sources []Source
		for _, name := range s.SourceNames() {
			if _, known := texts[name]; !known {
				texts[name], _ = read(name)
			}
			sources = append(sources, Source{name, texts[name]})
		}
		for i := range main.Files {
			main.Files[i].placeLines(s.Pos, sources)
		}
	}
}

// placeLines finds the places of those lines of f that have none yet. whole is the
// place of the text if f has none at all.
func (f *File) placeLines(whole Pos, sources []Source) {
	if len(f.Source) > 0 {
		return
	}
	out := &Passage{Pos: whole}
	if f.Pos != nil {
		out.Pos = f.Pos.Pos
	}
	for i, line := range strings.Split(f.Content.String(), "\n") {
		pos, exact := f.Pos.At(i + 1)
		if !exact {
			if pos, exact = Origin(strings.TrimSpace(line), sources); !exact {
				continue
			}
		}
		if n := len(out.Spans); n > 0 {
			last := &out.Spans[n-1]
			if last.First+last.Lines == i+1 && last.Pos.File == pos.File && last.Pos.Line+last.Lines == pos.Line {
				last.Lines++
				continue
			}
		}
		out.Spans = append(out.Spans, Span{First: i + 1, Lines: 1, Pos: pos})
	}
	if len(out.Spans) > 0 {
		f.Pos = out
	}
}
