package definition

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// A command is a script of pkgs.runCommand, or the buildCommand of a derivation, whose result
// is worked out instead of built: that goes for scripts that put together what is known
// before they run, and links to anything.
type command struct {
	set     *pkgSet
	vars    map[string]string
	ctx     *eval.Context
	made    map[string]generatedFile // by the path below $out, "" for $out itself
	folders []string                 // that mkdir makes, in the same way
	link    string                   // what $out is a link to
	checks  []string                 // commands that leave nothing behind
}

const (
	outVar  = "\x00out"  // $out, in a word
	fileVar = "\x00file" // the file of a variable that passAsFile names, before the name
)

// runCommand returns what a script makes: args are the function that was called, the name of
// the result, variables and the script. It is worked out when its path is first used.
func (h *pkgSet) runCommand(t *eval.Thread, args []eval.Value) eval.Value {
	function, name, env, source, pos := t.Text(args[0]), t.Text(args[1]), args[2], args[3], t.Pos()
	out := eval.Lazy(func(t *eval.Thread) eval.Value {
		script := t.Interpolate(source)
		c := command{set: h, vars: map[string]string{"out": outVar, "name": name}, ctx: script.Context(), made: map[string]generatedFile{}}
		c.environment(t, env)
		line, why := c.run(script.Text())
		if why == "" {
			why = c.wrong()
		}
		if why != "" {
			if line != "" {
				why += ": " + line
			}
			t.Unsupported("pkgs.%s (%s) builds with Nix (%s); let Nix build it and name the file that it made, or write it with pkgs.writeText", function, name, why)
		}
		for _, line := range c.checks {
			text := "not run, since nothing of it is in the result of " + function + " " + name + ": " + line
			if _, said := h.remarks[text]; !said { // a definition may be evaluated twice
				h.remarks[text] = pos
			}
		}
		if whole, ok := c.made[""]; ok && !whole.folder {
			return h.makeFile(name, "", whole.mode, eval.StrContext(whole.text.S, c.ctx))
		}
		if c.link != "" {
			return eval.StrContext(c.link, c.ctx)
		}
		for sub, made := range c.made {
			made.text.Context = c.ctx.Elems()
			c.made[sub] = made
		}
		return h.folder(t, name, c.made)
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
	for next := range strings.Lines(script) {
		line += strings.TrimSuffix(next, "\n")
		words, into, why := c.words(line)
		if why == joined {
			line = strings.TrimSuffix(line, `\`)
			continue
		}
		line = strings.TrimSpace(line)
		if len(words) == 0 && into.path != "" {
			words = []string{":"}
		}
		if why == "" && len(words) > 0 {
			why = c.do(words, into, line)
		}
		if why != "" {
			return line, why
		}
		line = ""
	}
	if line != "" {
		return line, joined
	}
	return "", ""
}

// wrong says why what a script has made is no result. Folders in which nothing is become
// parts of it.
func (c *command) wrong() string {
	if len(c.made)+len(c.folders) == 0 && c.link == "" {
		return "nothing in it makes $out"
	}
	if c.link != "" && len(c.made)+len(c.folders) > 0 {
		return "$out is a link, and more is made in it"
	}
	for sub := range c.made {
		if c.isFolder(sub) {
			return "it makes both a file and a folder of one name"
		}
	}
	for _, folder := range c.folders {
		if !c.hasMade(folder) {
			c.made[folder] = generatedFile{folder: true}
		}
	}
	return ""
}

// isFolder reports whether there is a folder at a path below $out.
func (c *command) isFolder(sub string) bool {
	return slices.Contains(c.folders, sub) || c.hasMade(sub)
}

// hasMade reports whether a file is in the folder at a path below $out.
func (c *command) hasMade(folder string) bool {
	for sub := range c.made {
		if sub != "" && (folder == "" || strings.HasPrefix(sub, folder+"/")) {
			return true
		}
	}
	return false
}

// A target is where the output of a command goes; the zero target is nowhere.
type target struct {
	path   string
	append bool
}

// joined is why a line is not whole: the next one belongs to it.
const joined = "the next line belongs to it"

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
		case b == '\\' && quote != '\'' && i+1 == len(line):
			return nil, into, joined
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
			if quote == 0 && strings.ContainsAny(value, " \t\n*?[") {
				return nil, into, "it has a variable without quotes, whose text the shell would split"
			}
			word.WriteString(value)
			inWord, i = inWord || value != "", i+n
		case b == '`':
			return nil, into, special
		case quote == '"':
			word.WriteByte(b)
		case b == ' ' || b == '\t':
			end()
		case b == '#' && !inWord:
			line = line[:i]
		case b == '>' && into.path == "" && redirect == "" && !(inWord && strings.Trim(word.String(), "0123456789") == ""):
			end()
			if redirect = ">"; strings.HasPrefix(line[i+1:], ">") {
				redirect, i = ">>", i+1
			}
		case b == ';' && strings.TrimSpace(line[i+1:]) == "":
		case strings.IndexByte("><|&;()*?[", b) >= 0, b == '~' && !inWord, b == '{' && expands(line[i:]):
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

// expands reports whether the shell makes several words of one with a brace, as of {a,b} and
// {1..3}.
func expands(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	return strings.Contains(word, "}") && (strings.Contains(word, ",") || strings.Contains(word, ".."))
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

// steers are the commands on which those after them depend.
const steers = "if then elif else fi for while until do done case esac select function { } ! break continue " +
	"exit return exec eval source . export declare typeset local readonly unset read cd pushd popd trap alias shift"

// do does what one command does, or says why it cannot.
func (c *command) do(words []string, into target, line string) (why string) {
	args := slices.Clone(words[1:])
	if words[0] != "echo" {
		args = slices.DeleteFunc(args, func(w string) bool { return strings.HasPrefix(w, "-") })
	}
	var text strings.Builder
	switch words[0] {
	case "set", ":", "true":
	case "runHook":
		for _, hook := range args {
			if c.vars[hook] != "" {
				return "it has commands in a variable"
			}
		}
	case "mkdir":
		for _, dir := range args {
			sub, ok := insideOut(dir)
			if !ok {
				return "it makes a folder outside of $out"
			}
			c.folders = append(c.folders, sub)
		}
	case "chmod":
		if len(args) < 2 {
			return "it lacks a mode or a file"
		}
		for _, file := range args[1:] {
			sub, ok := insideOut(file)
			made, there := c.made[sub]
			if !ok || !there || made.link {
				return "it is about a file that is not there"
			}
			if made.mode, ok = changed(made.mode, args[0]); !ok {
				return "it has a mode that is not known here"
			}
			c.made[sub] = made
		}
	case "ln", "cp":
		if len(args) != 2 {
			return "it does not have two paths"
		}
		sub, ok := insideOut(args[1])
		if !ok {
			return "it makes a file outside of $out"
		}
		if c.isFolder(sub) || strings.HasSuffix(args[1], "/") {
			sub = path.Join(sub, path.Base(args[0]))
		}
		if made, known := c.read(args[0]); known && !strings.Contains(sub, fileVar) {
			c.made[sub] = made
			break
		}
		switch {
		case words[0] != "ln" && sub != "" || !strings.HasPrefix(args[0], "/"):
			return "it takes a file that only a build knows"
		case sub == "":
			c.link = args[0]
		default:
			c.made[sub] = generatedFile{text: module.Str{S: args[0]}, link: true}
		}
	case "cat":
		if len(args) < len(words)-1 {
			return "it has a flag, or reads its input"
		}
		for _, file := range args {
			made, known := c.read(file)
			if !known {
				return "it reads a file that only a build knows"
			}
			text.WriteString(made.text.S)
		}
	case "echo":
		newline := "\n"
		for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
			if strings.Contains(args[0], "e") {
				return "it has a flag that changes what backslashes mean"
			}
			if strings.Contains(args[0], "n") {
				newline = ""
			}
			args = args[1:]
		}
		text.WriteString(strings.Join(args, " ") + newline)
	default:
		name, n := variable(words[0])
		if slices.Contains(strings.Fields(steers), words[0]) || name != "" && strings.HasPrefix(strings.TrimPrefix(words[0][n:], "+"), "=") {
			return "what comes after it depends on it"
		}
		if into.path != "" || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, outVar) }) {
			return "it runs a program that makes a part of $out"
		}
		c.checks = append(c.checks, line)
	}
	sub, ok := insideOut(into.path)
	switch {
	case into.path == "": // it says something to who builds
		return ""
	case !ok:
		return "it writes to a place outside of $out"
	case strings.Contains(text.String(), "\x00"):
		return "it writes a path that only a build knows"
	}
	made := c.made[sub]
	if made.link {
		return "it writes to a file that only a build knows"
	}
	if !into.append {
		made.text.S = ""
	}
	made.text.S += text.String()
	c.made[sub] = made
	return ""
}

// changed returns the mode of a file after a chmod; of the permissions only those to execute
// count.
func changed(was, by string) (mode string, known bool) {
	bits, err := strconv.ParseUint(by, 8, 32)
	switch {
	case err == nil && bits&0o111 != 0:
		return "0755", true
	case err == nil:
		return "", true
	case strings.ContainsAny(by, "-=,"):
		return was, !strings.Contains(by, "x") && !strings.Contains(by, "=")
	case strings.Contains(by, "x"):
		return "0755", true
	}
	return was, true
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
		return made, known && !made.link
	}
	name, ok := strings.CutPrefix(word, catalog.FilesPrefix)
	made, known := c.set.files[name]
	c.ctx = c.ctx.Union(eval.NewContext(made.text.Context...))
	return made, ok && known && !made.link && !made.folder
}
