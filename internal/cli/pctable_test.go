package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nix2gpu/internal/testkit"
)

//go:generate go test . -run TestProcessComposeTable$ -update

// pcVerbs are the verbs of process-compose 1.122.0 with their flags, taken by hand from its
// src/cmd. A flag of a verb counts for those below it; "=" marks one that takes a value.
var pcVerbs = [][2]string{
	{"", "address= port=p use-uds:U unix-socket=u token-file= log-file=L log-no-color no-server ordered-shutdown read-only"},
	{"up", "config=f env=e namespace=n tui:t detached:D detached-with-tui detach-on-success dry-run disable-dotenv hide-disabled:d keep-project keep-tui logs-truncate " +
		"no-watch recursive-metrics ref-rate=r slow-ref-rate= reverse:R sort=S shortcuts= theme= no-deps"},
	{"run", "config=f disable-dotenv no-deps"},
	{"attach", "address=a log-length=l ref-rate=r reverse:R sort=S theme="},
	{"down", "address=a"},
	{"list", "output=o"},
	{"process", "address=a"},
	{"process list", "output=o"},
	{"process get", "output=o"},
	{"process start", ""},
	{"process stop", "verbose:v"},
	{"process restart", ""},
	{"process scale", ""},
	{"process ports", ""},
	{"process send-keys", ""},
	{"process logs", "follow:f tail=n namespace=N raw-log"},
	{"process logs truncate", ""},
	{"process monitor", "output=o no-snapshot"},
	{"project", "address=a"},
	{"project state", "with-memory"},
	{"project is-ready", "wait"},
	{"project update", "config=f namespace=n verbose:v"},
	{"namespace list", ""},
	{"namespace start", ""},
	{"namespace stop", ""},
	{"namespace restart", ""},
	{"graph", "format=f"},
	{"analyze critical-chain", ""},
	{"recipe pull", "force:f output=o"},
	{"recipe search", "tags=t author=a"},
	{"recipe list", ""},
	{"recipe show", "syntax-highlight:s"},
	{"recipe remove", ""},
	{"version", "short:s"},
	{"version update", ""},
	{"info", ""},
	{"completion", ""},
	{"docs", ""},
	{"schema", ""},
}

// pcDiffers says what is different of a verb, or of a flag of it.
var pcDiffers = map[string]string{
	"--port":                 "needs a token; without it verbs ask by the control socket, not at port 8080",
	"--address":              "an address that is not of this machine needs https",
	"--use-uds":              "is the default",
	"up --dry-run":           "also prints what would run",
	"up --detached":          "returns when the processes were started",
	"up --detach-on-success": "waits without a terminal interface, as --wait does",
	"up --detached-with-tui": "the same as --detached",
	"run":                    "arguments after -- are a command in place of the process's own, which process-compose adds them to",
	"attach":                 "connects with the terminal of one process, of this machine's project",
	"process logs":           "all runs, from files; each line begins with the name of its process, also of a single one: --raw-log leaves it out",
	"process stop":           "one that does not run is no error",
	"project update":         "--config may be left out: it then reads the same files again",
	"graph":                  "ascii and mermaid also have the processes without dependencies",
	"info":                   "where logs and the control socket are; there are no themes, shortcuts and settings",
}

// pcNotOurs says why a verb is not there.
var pcNotOurs = map[string]string{
	"recipe":         "refused: recipes are files of strangers that are run; download one, and name it with -f",
	"version update": "not there: a package manager, or whoever has put the program there, replaces it",
	"docs":           "not there: docs/reference/cli.md is written with the program",
	"schema":         "not there: its own schema describes its files",
}

// pcElsewhere is what differs and belongs to no verb, and the test that shows it, with what it holds.
var pcElsewhere = []struct{ what, theirs, ours, test, line string }{
	{"port", "8080, without a token unless one is set", "none, unless `up -p PORT`; then always with a token: that of `--token-file`, `PC_API_TOKEN`, `PC_API_TOKEN_PATH`, or one that is made, which verbs in the project's folder find",
		"cmd/nix2gpu/testdata/script/process-compose-flags.txtar", "no port is open; --port opens one"},
	{"other machines", "by http", "by https only: `--listen` with `--listen-cert-file`, and `-a https://…`",
		"cmd/nix2gpu/testdata/script/listen.txtar", "https"},
	{"what a port answers", "everything", "reading, start, stop and restart; the rest if `--listen-allow` names it. The control socket answers all",
		"cmd/nix2gpu/testdata/script/listen.txtar", "--listen-allow"},
	{"verbs without `-p` or `-u`", "ask port 8080", "ask the project of this folder, by its control socket",
		"cmd/nix2gpu/testdata/script/process-compose-flags.txtar", "exec process-compose status"},
	{"an unknown process", "400", "404", "control/server/processcompose_test.go", `"GET /process/nobody", "", 404`},
}

// TestProcessComposeTable compares each verb and flag of process-compose with our parser, and
// keeps the table of the page.
func TestProcessComposeTable(t *testing.T) {
	env := &Env{Args: []string{processCompose}}
	root := newProcessCompose(env)
	vain := map[string]string{}
	for _, f := range slices.Concat(pcUpFlags(), pcGlobalFlags(), []pcFlag{{name: "log-length", why: noTUI}}) {
		vain[f.name] = f.why
	}
	used := map[string]bool{}
	says := func(verb, flag string) string {
		for _, key := range []string{strings.TrimSpace(verb + " --" + flag), "--" + flag} {
			if text := pcDiffers[key]; text != "" {
				used[key] = true
				return text
			}
		}
		return ""
	}
	var b strings.Builder
	b.WriteString("| `process-compose …` | the same | without an effect | different |\n|---|---|---|---|\n")
	for _, v := range pcVerbs {
		verb, flags := v[0], strings.Fields(v[1])
		first, _, _ := strings.Cut(verb, " ")
		shown := strings.TrimSpace("`" + verb + "`")
		if verb == "" {
			shown = "flags of every verb"
		}
		cmd, rest, err := root.Find(strings.Fields(verb))
		why := pcNotOurs[verb]
		if why == "" && pcNotOurs[first] != "" {
			used[first] = true
			if cmd == nil || !cmd.DisableFlagParsing {
				t.Errorf("%s is not refused", verb)
			}
			continue
		}
		if why != "" {
			if err == nil && len(rest) == 0 {
				t.Errorf("%s is there, and pcNotOurs says that it is not", verb)
			}
			used[verb] = true
			fmt.Fprintf(&b, "| %s | | | %s |\n", shown, why)
			continue
		}
		if err != nil || len(rest) > 0 {
			t.Errorf("there is no %s: %v", verb, err)
			continue
		}
		var same, without, different []string
		if text := pcDiffers[verb]; text != "" {
			used[verb] = true
			different = append(different, text)
		}
		for _, word := range flags {
			name, short, value := word, "", false
			if i := strings.IndexAny(word, "=:"); i >= 0 {
				name, short, value = word[:i], word[i+1:], word[i] == '='
			}
			f := flagOf(cmd, name)
			switch {
			case f == nil:
				t.Errorf("%s has no --%s", verb, name)
				continue
			case (f.NoOptDefVal == "") != value:
				t.Errorf("%s --%s: takes a value: %t, want %t", verb, name, f.NoOptDefVal == "", value)
			case short != "" && (cmd.Flags().ShorthandLookup(short) == nil && cmd.InheritedFlags().ShorthandLookup(short) == nil || f.Shorthand != short):
				t.Errorf("%s --%s has no -%s", verb, name, short)
			}
			text := "`--" + name + "`"
			if short != "" {
				text = "`-" + short + "`, " + text
			}
			switch differs := says(verb, name); {
			case f.Hidden && vain[name] != "":
				without = append(without, text)
			case differs != "":
				different = append(different, text+": "+differs)
			default:
				same = append(same, text)
			}
		}
		if len(flags) == 0 && len(different) == 0 {
			same = []string{"all"}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", shown, strings.Join(same, ", "), strings.Join(without, ", "), strings.Join(different, "; "))
	}
	for verb, why := range pcNotOurs {
		if !used[verb] {
			t.Errorf("pcNotOurs has %q, which is no verb", verb)
		} else if !slices.ContainsFunc(pcVerbs, func(v [2]string) bool { return v[0] == verb }) {
			fmt.Fprintf(&b, "| `%s` and what is below it | | | %s |\n", verb, why)
		}
	}
	for key := range pcDiffers {
		if !used[key] {
			t.Errorf("pcDiffers has %q, which is no verb or flag", key)
		}
	}
	b.WriteString("\n| | process-compose | here |\n|---|---|---|\n")
	for _, row := range pcElsewhere {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.what, row.theirs, row.ours)
		test, err := os.ReadFile(filepath.Join(testkit.Root(), row.test))
		if err != nil || !strings.Contains(string(test), row.line) {
			t.Errorf("nothing shows %q: %s lacks %q (%v)", row.what, row.test, row.line, err)
		}
	}
	page := filepath.Join(testkit.Root(), "docs/reference/process-compose.md")
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- verbs: generated -->\n", "<!-- verbs: end -->\n"
	before, after, ok1 := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(after, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", page)
	}
	want := before + begin + "\n" + b.String() + "\n" + end + after
	switch {
	case testkit.Updating():
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case want != string(data):
		t.Errorf("%s is stale: make generate", page)
	}
}

// flagOf is a flag that a verb takes, its own or one of those above.
func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	cmd.InheritedFlags() // which merges them
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}
