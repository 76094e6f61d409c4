package messages

import (
	"fmt"
	"io"
	"strings"
)

// A section of the page is what readers were doing when the message came.
type section struct {
	title string
	intro string   // what these messages mean, and the exit code
	cure  string   // of those that name none, where one cure fits all
	exit  string   // the exit code, where the source says no other
	pkgs  []string // the packages that say them
}

// sections are the page, in its order. Each package that makes messages is in one.
var sections = []section{
	{"On the command line", "What was typed can't be done.", "", "1",
		[]string{"internal/cli"}},
	{"Talking to a running project", "The verbs reach a running project through its control socket.", "", "1",
		[]string{"control", "control/client", "control/server", "console"}},
	{"The Nix language", "The text of a definition can't be read or evaluated. The place before the message is where.",
		"correct the expression at that place; [builtins](builtins.md) has what each function takes", "2",
		[]string{"nix/syntax", "nix/eval", "nix/store", "nix/flakeref", "nix/flake", "nix/osfs"}},
	{"Types of options", "A value does not fit the option that it is given to. The words are those of NixOS.",
		"`nix2gpu options TYPE` has the type of each option, its default and an example; [options](options.md) has them all", "2",
		[]string{"nix/module"}},
	{"A definition", "An option has a value that makes no sense. The place is the user's.", "", "2",
		[]string{"definition", "catalog", "project", "glob", "cron"}},
	{"A process-compose.yaml", "The file can't be run as it stands. [process-compose](process-compose.md) has what is taken.", "", "2",
		[]string{"compose", "safeyaml", "dotenv"}},
	{"Templates in a process-compose.yaml", "What stands between `{{` and `}}` can't be evaluated.",
		"correct the template: it is Go's language of templates, over the values of `vars` and the environment", "2",
		[]string{"compose/template"}},
	{"Before a service starts", "This machine lacks something that the service needs. `check --here` says it without starting anything; `up` says it, and skips the service.", "", "1",
		[]string{"session", "stage", "packages", "secret", "safefile", "rundir"}},
	{"Starting a process", "The kernel would not start a program, or lacks what the services' supervisor asks of it. The line begins with the process.",
		"correct the `command`, `working_dir` or `user` of the service, or raise the limit that is named", "1",
		[]string{"process"}},
	{"Probes", "What a probe was answered. It stands behind `readiness probe failed:` or `liveness probe failed:`, in WHY of `ps` and in `status`.",
		"compare host, port and path of the probe with where the service says, in its log, that it listens; [health checks](../how-to/health-checks.md)", "",
		[]string{"probe"}},
	{"While services run", "These stand in WHY of `ps`, in `status`, and in the lines of the project.", "", "",
		[]string{"supervisor", "servicelog", "gpu", "filewatch"}},
	{"Setting up servers", "Databases, users and schemas are made by a process of nix2gpu's own, `NAME-init` or `NAME-setup`. Its output is in the log of the service, which is restarted or fails as its policy says.", "", "",
		[]string{"provision"}},
	{"In a container", "What `boot` finds when a container starts; it goes on where it can.", "", "",
		[]string{"container"}},
	{"Packages for images", "`lock`, `build`, and what builds on them.", "", "1",
		[]string{"lock", "download", "cache"}},
	{"Package repositories", "A repository can't be used, or not believed.",
		"compare address, suite and key of the source with what its vendor publishes ([vendors](../how-to/vendors.md)); `--mirror` names another archive of Debian's", "1",
		[]string{"debian/repo"}},
	{"Python's requirements and wheels", "A requirements file, an index or the name of a wheel is not as it should be. The place is the line.",
		"correct that line, or take a version that has what is missing: [Python](../how-to/python.md)", "1",
		[]string{"wheel", "wheel/index"}},
	{"Packages that can't be read", "A file of a repository or an index is damaged, or of a kind that is not known.",
		"run it again: what is damaged in the cache is downloaded anew. If it stays, take another mirror, or another version of the package", "1",
		[]string{"debian", "debian/deb", "wheel/archive"}},
	{"Images", "`build`, `push`, `load`, `shell` and `deploy`.", "", "1",
		[]string{"image", "image/registry", "image/daemon", "deploy"}},
	{"Images that can't be read", "What is named is no image, or a damaged one.",
		"build or pull it anew, and name that", "1",
		[]string{"image/source", "image/sbom", "image/inspect"}},
}

// kinds are messages whose cure is the same wherever they are made: the page has
// it once.
var kinds = []struct {
	anchor, title string
	of            func(text string) bool
}{
	{"not-supported", "not supported", func(text string) bool { return strings.Contains(text, "not supported") }},
	{"what-the-system-says", "what the system says", func(text string) bool { return strings.HasSuffix(text, ": <reason>") }},
	{"", "as it says", saysItself},
	{"", "a part: what stands before it says of what", isPart},
}

// reasons are why a message gives no cure of its own, by the words of
// testdata/unsaid.txt, with what the page says instead.
var reasons = []struct{ word, says string }{
	{"beside", "the hint that comes with it"}, // it differs from case to case, or whoever passes the error on adds it
	{"damaged", "it is damaged where it comes from: take another version of it, or another source"},
	{"defect", "a defect of nix2gpu: please report it"},
	{"degraded", "somebody has removed files of a running project: stop it, and start it again"},
	{"ending", "nothing: an end was asked for meanwhile"},
	{"foreign", "nothing that nix2gpu makes of a definition is so: was the project written by hand?"},
	{"image", "the base is made so: take another, or mend it there"},
	{"inner", "never said by itself: it becomes another message"},
	{"part", "a part: what stands before it says of what"},
	{"platform", "what stands behind it: each platform has its own"},
	{"relayed", "what stands behind it is said by the program that knows"},
}

// sayFor returns what the page says for the word of a reason; "" if it is unknown.
func sayFor(word string) string {
	for _, r := range reasons {
		if r.word == word {
			return r.says
		}
	}
	return ""
}

// wants are words by which a message names what must be otherwise.
var wants = []string{"must ", "needs ", "wants ", "expected ", "takes ", " only ", "exclude each other", " both ", "is named beside", "are named", "twice", "not by hand",
	"unknown ", "did you mean", "at most", "at least", "larger than", "more than", "longer than", "nest"}

// orders are words that tell the reader to do something, after a colon or the like.
var orders = []string{"use", "set", "write", "name", "call", "push", "build", "run", "add", "choose", "give", "take", "leave", "make", "see"}

// saysItself reports whether a message names what is wanted.
func saysItself(text string) bool {
	for _, word := range wants {
		if strings.Contains(text+" ", word) {
			return true
		}
	}
	for _, word := range orders {
		if strings.Contains(text, "; "+word+" ") || strings.Contains(text, ": "+word+" ") {
			return true
		}
	}
	return false
}

// isPart reports whether a text has no subject of its own, as it is the end of
// another message.
func isPart(text string) bool {
	for _, begin := range []string{"it ", "its ", "is ", "has ", "does ", "not a ", "not an ", "not the ", "or ", "a name "} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}

// cureOf returns what the page says to do about m, in Markdown; "" for nothing.
func (s *section) cureOf(m Message) string {
	switch {
	case m.Cure != "":
		return cell(m.Cure)
	case s.cure != "":
		return "see above"
	}
	for _, k := range kinds {
		switch {
		case !k.of(m.Text):
		case k.anchor == "":
			return k.title
		default:
			return "[" + k.title + "](#" + k.anchor + ")"
		}
	}
	return ""
}

// cell escapes text for a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "_", `\_`, "`", "\\`").Replace(text)
}

// code returns text as code in a cell.
func code(text string) string {
	quote := "`"
	if strings.Contains(text, "`") {
		quote = "``"
	}
	return quote + strings.ReplaceAll(text, "|", `\|`) + quote
}

// Write writes the page of the messages in the source below root. Of those that
// name no cure themselves, others has the word of the reason.
func Write(w io.Writer, root string, others map[string]string) error {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range sections {
		list, err := s.messages(root)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title, s.intro)
		if s.cure != "" {
			fmt.Fprintf(&b, "\nWhat helps: %s.\n", s.cure)
		}
		b.WriteString("\n| message | cure | exit |\n|---|---|---|\n")
		for _, m := range list {
			exit := s.exit
			switch {
			case m.Note:
				exit = "note"
			case m.Code != 0:
				exit = fmt.Sprint(m.Code)
			}
			cure := s.cureOf(m)
			if cure == "" {
				cure = cell(sayFor(others[m.Text]))
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", code(m.Text), cure, exit)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// messages returns the messages of a section, in the order of their words.
func (s *section) messages(root string) ([]Message, error) {
	var list []Message
	for _, pkg := range s.pkgs {
		more, err := Collect(root, pkg)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return sorted(list), nil
}

const intro = `# Messages and their cures

Everything that the program says when something is wrong, made from its source. Search
for a part of your message that is no name or number of yours: what differs from case to
case stands in angle brackets here.

The last column is the exit code of the command that ends with it; a note ends none. A message comes with its place, ` + "`file:line:col`" + `, where it is about a text, and with a
line ` + "`hint:`" + ` where there is a cure. The exit codes have [a page of their own](exit-codes.md);
why a service does not stay up is told [by another](../how-to/why-restarts.md).

## What the system says

Many messages end with the reason that the kernel gave:

| reason | means |
|---|---|
| ` + "`permission denied`" + ` | the file, or a folder on the way to it, is closed to this user: ` + "`ls -ld`" + `, ` + "`namei -l PATH`" + ` |
| ` + "`operation not permitted`" + ` | only root may do that, or the container lacks a capability |
| ` + "`no such file or directory`" + ` | the path is wrong, or nobody has made it yet; relative paths begin at the definition's folder |
| ` + "`not a directory`" + `, ` + "`is a directory`" + ` | something else is there than was meant |
| ` + "`no space left on device`" + ` | the disk is full, or has no inodes left: ` + "`df -h`, `df -i`" + `; ` + "`nix2gpu cache prune`" + ` frees some |
| ` + "`disk quota exceeded`" + ` | this user's share of the disk is full |
| ` + "`read-only file system`" + ` | mounted like that: give the folder a volume, or ` + "`--tmpfs`" + ` |
| ` + "`too many open files`" + ` | raise ` + "`ulimit -n`" + `, or ` + "`--ulimit nofile=`" + ` of docker |
| ` + "`resource temporarily unavailable`" + ` | no more processes are allowed: ` + "`ulimit -u`" + `, or the container's ` + "`--pids-limit`" + ` |
| ` + "`cannot allocate memory`" + ` | memory is short: ` + "`nix2gpu top`" + `, ` + "`free -m`" + ` |
| ` + "`address already in use`" + ` | [another program has the port](../how-to/change-a-port.md) |
| ` + "`connection refused`" + ` | nobody listens there: the server is not up, or has another port |
| ` + "`no such host`" + `, ` + "`i/o timeout`" + `, ` + "`network is unreachable`" + ` | the name is wrong, or this machine has no way there: a proxy, a firewall |
| ` + "`exec format error`" + ` | the program is for another machine, or a script without ` + "`#!`" + ` |
| ` + "`text file busy`" + ` | the program is being written just now |

## Not supported

What begins with ` + "`not supported:`" + ` is meant as it stands: nix2gpu can't do it, and does not
pretend to. Leave it out, or take the way that the message names;
[definitions](definitions.md#packages) says what only Nix can do.
`
