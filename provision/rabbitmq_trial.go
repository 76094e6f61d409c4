package provision

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

type rabbitmqOptions struct {
	server   string // the program
	conf     string // rabbitmq.conf
	advanced string // "" if there is none
}

func (o *rabbitmqOptions) flags() *flag.FlagSet {
	f := flag.NewFlagSet("rabbitmq test", flag.ContinueOnError)
	f.StringVar(&o.server, "server", "", "path of rabbitmq-server")
	f.StringVar(&o.conf, "conf", "", "path of rabbitmq.conf")
	f.StringVar(&o.advanced, "advanced", "", "path of the advanced configuration")
	return f
}

// unread begins the message if only a start can tell whether the configuration of
// RabbitMQ is right. The catalogue knows it.
const unread = "rabbitmq.conf was not read"

// readConfiguration is Erlang code that does what a start does first: it translates
// rabbitmq.conf with the server's own library and schemas, without starting a node.
// Its plain arguments are both files and the schemas. It prints one error a line. The
// exit code 1 means that the server would reject the files, 3 that nobody can tell.
const readConfiguration = `
logger:set_primary_config(level, none),
[Conf, Advanced | Schemas] = init:get_plain_arguments(),
Refuse = fun(Lines) -> [io:format("~ts~n", [L]) || L <- Lines], halt(1) end,
Said = fun(Errors) -> [unicode:characters_to_list(cuttlefish_error:xlate(E)) || {error, E} <- Errors] end,
try
	case Advanced =:= "" orelse file:consult(Advanced) of
		true -> ok;
		{ok, [Terms]} when is_list(Terms) -> ok;
		{ok, _} -> Refuse([Advanced ++ ": it must be one list, which a full stop ends"]);
		{error, Why} -> Refuse([Advanced ++ ":" ++ file:format_error(Why)])
	end,
	Schema = cuttlefish_schema:files(Schemas),
	case cuttlefish_conf:file(Conf) of
		{errorlist, Unread} -> Refuse(Said(Unread));
		Items -> case cuttlefish_generator:map(Schema, Items) of
			{error, _, {errorlist, Wrong}} -> Refuse(Said(Wrong));
			_ -> halt(0)
		end
	end
catch C:E -> io:format("~p: ~p~n", [C, E]), halt(3)
end.`

// testRabbitMQ lets the server's own library test its configuration. The error has
// what that says, and the line that it is about.
func testRabbitMQ(ctx context.Context, o rabbitmqOptions) error {
	plugins, err := rabbitmqPlugins(o.server)
	if err != nil {
		return fmt.Errorf("%s: %v", unread, err)
	}
	args := []string{"-noinput", "-boot", "start_clean", "-pa"}
	var schemas []string
	for _, dir := range append([]string{plugins}, filepath.SplitList(os.Getenv("RABBITMQ_PLUGINS_DIR"))...) {
		code, _ := filepath.Glob(filepath.Join(globEscape(dir), "*", "ebin"))
		more, _ := filepath.Glob(filepath.Join(globEscape(dir), "*", "priv", "schema", "*.schema"))
		args, schemas = append(args, code...), append(schemas, more...)
	}
	args = append(append(args, "-eval", readConfiguration, "-extra", o.conf, o.advanced), schemas...)
	cmd := exec.CommandContext(ctx, "erl", args...)
	cmd.Env = append(slices.Clip(os.Environ()), "ERL_CRASH_DUMP_SECONDS=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	said := strings.TrimSpace(out.String())
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return fmt.Errorf("rabbitmq: %v\n%s", err, o.placed(said))
	}
	return fmt.Errorf("%s: %v\n%s\nhint: the start says whether it is right", unread, err, said)
}

// rabbitmqPlugins returns the folder of the libraries and plugins of a server.
func rabbitmqPlugins(server string) (string, error) {
	real, err := filepath.EvalSymlinks(server)
	if err != nil {
		return "", err
	}
	// Debian has a script in its place, with links to the server's own beside it.
	if own, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(real), "rabbitmq-server")); err == nil {
		real = own
	}
	plugins := filepath.Join(filepath.Dir(filepath.Dir(real)), "plugins")
	if libraries, _ := filepath.Glob(filepath.Join(globEscape(plugins), "cuttlefish-*", "ebin")); len(libraries) == 0 {
		return "", fmt.Errorf("there is no library that reads it in %s", plugins)
	}
	return plugins, nil
}

// placed finds the first error that names an item of rabbitmq.conf. It returns that
// with the item's position and with the next error, which is about the item's value.
// If there is none, it returns all that was said.
func (o rabbitmqOptions) placed(said string) string {
	data, err := os.ReadFile(o.conf)
	if err != nil {
		return said
	}
	lines := strings.Split(said, "\n")
	for i, line := range lines {
		n := itemNamed(line, string(data))
		if n == 0 {
			continue
		}
		if i+1 < len(lines) && itemNamed(lines[i+1], string(data)) == 0 {
			line += ": " + lines[i+1]
		}
		return o.conf + ":" + strconv.Itoa(n) + ": " + line
	}
	return said
}

// itemNamed returns the number of the first line of conf whose item text names; 0 if it
// names none.
func itemNamed(text, conf string) int {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\"'", r) })
	n := 0
	for item := range strings.Lines(conf) {
		n++
		name, _, _ := strings.Cut(item, "=")
		if slices.Contains(words, strings.TrimSpace(name)) {
			return n
		}
	}
	return 0
}
