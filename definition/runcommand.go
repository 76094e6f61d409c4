package definition

import (
	"path"
	"slices"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// A command is a script of pkgs.runCommand, whose result is worked out instead of built:
// that goes for scripts that put together what is known before they run.
type command struct {
	set    *pkgSet
	vars   map[string]string
	ctx    *eval.Context
	made   map[string]generatedFile // by the path below $out, "" for $out itself
	link   string                   // what $out is a link to
	checks []string                 // commands that leave nothing behind
}

const (
	outVar  = "\x00out"  // $out, in a word
	fileVar = "\x00file" // the file of a variable that passAsFile names, before the name
)

// runCommand returns what a script makes. It is worked out when its path is first used.
func (h *pkgSet) runCommand(t *eval.Thread, args []eval.Value) eval.Value {
	name, env, pos := t.Text(args[0]), args[1], t.Pos()
	out := eval.Lazy(func(t *eval.Thread) eval.Value {
		script := t.Interpolate(args[2])
		c := command{set: h, vars: map[string]string{"out": outVar, "name": name}, ctx: script.Context(), made: map[string]generatedFile{}}
		c.environment(t, env)
		line, why := c.run(script.Text())
		if why == "" && len(c.made) == 0 && c.link == "" {
			line, why = "", "nothing in it makes $out"
		}
		if why != "" {
			if line != "" {
				why += ": " + line
			}
			t.Unsupported("pkgs.runCommand (%s) builds with Nix (%s); let Nix build it and name the file that it made, or write it with pkgs.writeText", name, why)
		}
		for _, line := range c.checks {
			h.remarks = append(h.remarks, note{pos, "not run, since nothing of it is in the result of runCommand " + name + ": " + line})
		}
		if whole, ok := c.made[""]; ok {
			return h.makeFile(name, "", whole.mode, eval.StrContext(whole.text.S, c.ctx))
		}
		if c.link != "" {
			return eval.StrContext(c.link, c.ctx)
		}
		for sub, made := range c.made {
			made.text.Context = c.ctx.Elems()
			c.made[sub] = made
		}
		return h.folder(name, c.made)
	})
	return eval.NewAttrs(3).Set("type", eval.Str("derivation")).Set("name", eval.Str(name)).Set("outPath", out).Done()
}

// environment makes variables of the attributes that stand for text.
func (c *command) environment(t *eval.Thread, env eval.Value) {
	set := t.Attrs(env)
	var files []string
	if list, ok := set.Get("passAsFile"); ok {
		for _, v := range t.List(list).Elems() {
			files = append(files, t.Text(v))
		}
	}
	for name, v := range set.All() {
		if slices.Contains([]string{"passAsFile", "nativeBuildInputs", "buildInputs", "meta", "passthru"}, name) {
			continue
		}
		if t.Try(func() {
			text := t.ToString(v)
			c.vars[name], c.ctx = text.Text(), c.ctx.Union(text.Context())
		}) == nil && slices.Contains(files, name) {
			c.vars[name+"Path"] = fileVar + name
		}
	}
}

// run goes through a script, and returns the line that it cannot do, and why.
func (c *command) run(script string) (line, why string) {
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		words, into, why := c.words(line)
		if why == "" && len(words) > 0 {
			why = c.do(words, into, line)
		}
		if why != "" {
			return line, why
		}
	}
	return "", ""
}

// A target is where the output of a command goes; the zero target is nowhere.
type target struct {
	path   string
	append bool
}

// words splits a line as the shell does. What it leaves to a build is a reason.
func (c *command) words(line string) (words []string, into target, why string) {
	const special = "it is more than words and one redirection"
	var word strings.Builder
	inWord, redirect := false, ""
	end := func() {
		switch {
		case !inWord:
			return
		case redirect != "":
			into, redirect = target{word.String(), redirect == ">>"}, ""
		default:
			words = append(words, word.String())
		}
		inWord = false
		word.Reset()
	}
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case quote == '\'' && b != '\'', quote == 0 && b == '\\' && i+1 < len(line), quote == '"' && b == '\\' && i+1 < len(line) && strings.IndexByte("$`\"\\", line[i+1]) >= 0:
			if b == '\\' && quote != '\'' {
				i++
				b = line[i]
			}
			word.WriteByte(b)
			inWord = true
		case b == quote:
			quote = 0
		case quote == 0 && (b == '\'' || b == '"'):
			quote, inWord = b, true
		case b == '$':
			name, n := variable(line[i+1:])
			value, known := c.vars[name]
			if !known {
				return nil, into, "it has a variable that only a build knows"
			}
			word.WriteString(value)
			inWord, i = true, i+n
		case b == '`':
			return nil, into, special
		case quote == '"':
			word.WriteByte(b)
		case b == ' ' || b == '\t':
			end()
		case b == '#' && !inWord:
			return words, into, ""
		case b == '>' && into.path == "" && redirect == "" && !(inWord && strings.Trim(word.String(), "0123456789") == ""):
			end()
			if redirect = ">"; strings.HasPrefix(line[i+1:], ">") {
				redirect, i = ">>", i+1
			}
		case b == ';' && strings.TrimSpace(line[i+1:]) == "":
		case strings.IndexByte("><|&;()*?[", b) >= 0:
			return nil, into, special
		default:
			word.WriteByte(b)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, into, "its text goes on in the next line"
	}
	end()
	if redirect != "" {
		return nil, into, special
	}
	return words, into, ""
}

// variable returns the name of the variable that a text after "$" begins with, and the
// length of what names it.
func variable(s string) (name string, n int) {
	if strings.HasPrefix(s, "{") {
		name, _, _ = strings.Cut(s[1:], "}")
		return name, len(name) + 2
	}
	for n < len(s) && (s[n] == '_' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return s[:n], n
}

// do does what one command does, or says why it cannot.
func (c *command) do(words []string, into target, line string) (why string) {
	args := slices.Clone(words[1:])
	flags := map[string]bool{}
	if words[0] != "echo" {
		args = slices.DeleteFunc(args, func(w string) bool { flags[w] = strings.HasPrefix(w, "-"); return flags[w] })
	}
	var text strings.Builder
	switch words[0] {
	case "set", "runHook", ":", "true":
		return ""
	case "mkdir":
		for _, dir := range args {
			if _, ok := insideOut(dir); !ok {
				return "it makes a folder outside of $out"
			}
		}
		return ""
	case "chmod":
		for _, file := range args[min(1, len(args)):] {
			sub, _ := insideOut(file)
			made, ok := c.made[sub]
			if !ok {
				return "it is about a file that is not there"
			}
			if made.mode = ""; strings.ContainsAny(args[0], "x157") {
				made.mode = "0755"
			}
			c.made[sub] = made
		}
		return ""
	case "ln", "cp":
		if len(args) != 2 {
			return "it has not two paths"
		}
		sub, ok := insideOut(args[1])
		if !ok {
			return "it makes a file outside of $out"
		}
		if made, known := c.read(args[0]); known {
			c.made[sub] = made
			return ""
		}
		if sub != "" || !strings.HasPrefix(args[0], "/") {
			return "it takes a file that only a build knows"
		}
		c.link = args[0]
		return ""
	case "cat":
		for _, file := range args {
			made, known := c.read(file)
			if !known {
				return "it reads a file that only a build knows"
			}
			text.WriteString(made.text.S)
		}
	case "echo":
		newline := "\n"
		if len(args) > 0 && args[0] == "-n" {
			args, newline = args[1:], ""
		}
		text.WriteString(strings.Join(args, " ") + newline)
	default:
		if into.path != "" || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, outVar) }) {
			return "it runs a program that makes a part of $out"
		}
		c.checks = append(c.checks, line)
		return ""
	}
	sub, ok := insideOut(into.path)
	switch {
	case into.path == "": // it says something to who builds
		return ""
	case !ok:
		return "it writes to a place outside of $out"
	}
	made := c.made[sub]
	if !into.append {
		made.text.S = ""
	}
	made.text.S += text.String()
	c.made[sub] = made
	return ""
}

// insideOut returns the path below $out that a word means.
func insideOut(word string) (sub string, ok bool) {
	sub, ok = strings.CutPrefix(word, outVar)
	if !ok || sub != "" && sub[0] != '/' {
		return "", false
	}
	return path.Clean("/" + sub)[1:], sub == "" || !strings.Contains(sub+"/", "/../")
}

// read returns a file that is known before a build.
func (c *command) read(word string) (generatedFile, bool) {
	if name, ok := strings.CutPrefix(word, fileVar); ok {
		return generatedFile{text: module.Str{S: c.vars[name]}}, true
	}
	if sub, ok := insideOut(word); ok {
		made, known := c.made[sub]
		return made, known
	}
	made, known := c.set.files[strings.TrimPrefix(word, catalog.FilesPrefix)]
	c.ctx = c.ctx.Union(eval.NewContext(made.text.Context...))
	return made, known
}
