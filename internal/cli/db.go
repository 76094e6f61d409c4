package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/safefile"
)

type dbOptions struct {
	target   target
	database string
	file     string // "" is stdout, or stdin
	clean    bool
}

func newDB(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db",
		Short: "Dump a database of a running server, or restore it",
		Long: `Dumps a database of PostgreSQL, MariaDB or MySQL to a file, or fills one from it, by the
server's own tools. They run as "nix2gpu exec SERVICE" runs a command: as the server's
user, through the socket that the set-up uses, so that no password is asked for.`,
		Args: unknownVerb,
		RunE: help,
	}
	addVerbs(cmd, newDBDump(env), newDBRestore(env))
	return cmd
}

func newDBDump(env *Env) *cobra.Command {
	var opts dbOptions
	cmd := &cobra.Command{
		Use:   "dump [DEFINITION] SERVICE DATABASE",
		Short: "Write a dump of a database",
		Long: `Writes a dump of one database, as it is at this moment, while the server goes on: of
PostgreSQL in the format of "pg_dump --format custom", of MariaDB and MySQL as SQL. It
holds no users. With --output the file appears when the dump is complete; a device or a
pipe gets it as it comes.`,
		Example: `  nix2gpu db dump postgresql shop -o shop.dump
  nix2gpu db dump mysql shop | gzip > shop.sql.gz`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.take(cmd, env, args); err != nil {
				return err
			}
			return execFailed(opts.dump(cmd.Context(), env))
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().StringVarP(&opts.file, "output", "o", "", "write to this `file`, which is replaced; stdout unless given")
	return cmd
}

func newDBRestore(env *Env) *cobra.Command {
	var opts dbOptions
	cmd := &cobra.Command{
		Use:   "restore [DEFINITION] SERVICE DATABASE",
		Short: "Fill a database from a dump",
		Long: `Fills a database, which must exist, from a dump: one of "db dump", or SQL. PostgreSQL
does all of it or, if something fails, nothing; MariaDB and MySQL stop there. A dump whose
end is missing fails.`,
		Example: `  nix2gpu db restore postgresql shop -i shop.dump
  zcat shop.sql.gz | nix2gpu db restore mysql shop`,
		ValidArgsFunction: completeServices(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.take(cmd, env, args); err != nil {
				return err
			}
			return execFailed(opts.restore(cmd.Context(), env))
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	cmd.Flags().StringVarP(&opts.file, "input", "i", "", "read this `file`; stdin unless given")
	cmd.Flags().BoolVar(&opts.clean, "clean", false, "first drop what the dump has (PostgreSQL; a dump of MySQL always does)")
	return cmd
}

// take sorts the arguments: a definition, a service, and its database.
func (opts *dbOptions) take(cmd *cobra.Command, env *Env, args []string) error {
	n := len(args) - 1
	if n < 1 {
		return hint(usageError("db %s needs the name of a service and of its database", cmd.Name()), "nix2gpu db %s SERVICE DATABASE", cmd.Name())
	}
	opts.database = args[n]
	if err := opts.target.take(cmd.Context(), env, args[:n]); err != nil {
		return err
	}
	if len(opts.target.services) != 1 {
		return hint(usageError("db %s needs one service and the name of its database", cmd.Name()), "nix2gpu db %s SERVICE DATABASE", cmd.Name())
	}
	if opts.database == "" || opts.database[0] == '-' {
		return usageError("the name of a database must not be empty nor begin with a dash: %q", opts.database)
	}
	return nil
}

// A dbServer is a server with databases, as its set-up reaches it.
type dbServer struct {
	label, kind, database   string
	socket, port, superuser string
	env                     []string // of us, so that our child finds the project
}

// find finds the server of the options.
func (opts *dbOptions) find(ctx context.Context, env *Env) (*dbServer, error) {
	c, layout, err := opts.target.find(ctx, env)
	if err != nil {
		return nil, err
	}
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	found, err := pickServices(state.Services, opts.target.services)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, hint(usageError("%q means %d services", opts.target.services[0], len(found)), "name one of them")
	}
	p, err := c.Project(ctx, false)
	if err != nil {
		return nil, err
	}
	s, err := serverOf(p, found[0], layout.Run)
	if err != nil {
		return nil, err
	}
	s.database, s.env = opts.database, append(slices.Clone(env.Environ), "NIX2GPU_SOCKET="+layout.Socket)
	return s, nil
}

// serverOf is the server that a service of a project is, without what the options say.
func serverOf(p *project.Project, found control.Service, run string) (*dbServer, error) {
	s := &dbServer{label: found.Label, kind: found.Type}
	spec := p.Services[found.ID]
	if spec == nil {
		return nil, hint(&control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("a reload has removed %q just now", found.Label)}, "\"nix2gpu ps\" lists the services")
	}
	for _, id := range spec.Setup {
		words := p.Processes[id].Command.Exec
		s.socket = cmp.Or(s.socket, wordOf(words, "--socket=", run))
		s.port = cmp.Or(s.port, wordOf(words, "--port=", run))
		s.superuser = cmp.Or(s.superuser, wordOf(words, "--superuser=", run))
	}
	if s.kind != "postgresql" && s.kind != "mysql" || s.socket == "" {
		return nil, hint(fmt.Errorf("not supported: dumps of %s, which is of type %s", s.label, cmp.Or(s.kind, "custom")), "the types are postgresql and mysql; for others, copy the data folder while the service is stopped")
	}
	return s, nil
}

// wordOf is what follows a prefix in the word that begins with it, with the project's run
// folder in its place.
func wordOf(words []project.Text, prefix, run string) string {
	for _, word := range words {
		var b strings.Builder
		for _, part := range word {
			if part.Run != nil {
				b.WriteString(run + *part.Run)
			} else {
				b.WriteString(part.Literal)
			}
		}
		if value, ok := strings.CutPrefix(b.String(), prefix); ok {
			return value
		}
	}
	return ""
}

// tool is a command of the server's with what leads to the server.
func (s *dbServer) tool(name string, more ...string) []string {
	if s.kind == "mysql" {
		return append([]string{name, "--no-defaults", "--user=root", "--socket=" + s.socket}, more...)
	}
	return append([]string{name, "--host=" + s.socket, "--port=" + s.port, "--username=" + s.superuser, "--no-password"}, more...)
}

// dbname names the database for a tool of PostgreSQL. As a bare word, some names would be
// taken for something else.
func (s *dbServer) dbname() string {
	return "--dbname=dbname='" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s.database) + "'"
}

// opened opens a file, and waits no longer than ctx lasts: a pipe opens when it has its other
// end, which may never be.
func opened(ctx context.Context, file string, flags int) (*os.File, error) {
	type outcome struct {
		file *os.File
		err  error
	}
	done := make(chan outcome, 1)
	go func() { // it ends with the process
		f, err := os.OpenFile(file, flags, 0)
		done <- outcome{f, err}
	}()
	select {
	case o := <-done:
		return o.file, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (opts *dbOptions) dump(ctx context.Context, env *Env) error {
	s, err := opts.find(ctx, env)
	if err != nil {
		return err
	}
	words := s.tool("mysqldump", "--single-transaction", "--routines", "--events", "--triggers", s.database)
	if s.kind == "postgresql" {
		words = s.tool("pg_dump", "--format=custom", s.dbname())
		if opts.file == "" && env.StdoutTTY {
			return hint(usageError("a dump is not text for a terminal"), "write it to a file: --output %s.dump", s.database)
		}
	}
	if opts.file == "" {
		return s.run(ctx, env, words, nil, env.Stdout)
	}
	file := env.path(opts.file)
	if safefile.IsStream(file) {
		out, err := opened(ctx, file, os.O_WRONLY)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("cannot write the dump: %v", err)
		}
		defer out.Close()
		return s.run(ctx, env, words, nil, out)
	}
	out, err := safefile.Create(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("cannot write the dump: %v", err)
	}
	defer out.Close()
	if err := s.run(ctx, env, words, nil, out.File); err != nil {
		return err
	}
	if err := out.Publish(file, 0o600); err != nil {
		return fmt.Errorf("cannot write the dump: %v", err)
	}
	return nil
}

func (opts *dbOptions) restore(ctx context.Context, env *Env) error {
	s, err := opts.find(ctx, env)
	if err != nil {
		return err
	}
	from := env.Stdin
	if opts.file != "" {
		f, err := opened(ctx, env.path(opts.file), os.O_RDONLY)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			why := err
			if pe, ok := errors.AsType[*fs.PathError](err); ok {
				why = pe.Err
			}
			return usageError("cannot read %q: %v", opts.file, why)
		}
		defer f.Close()
		from = f
	}
	in := bufio.NewReader(from)
	begin, err := firstBytes(ctx, in)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && len(begin) == 0 {
		return hint(usageError("the dump is empty"), "give it by --input FILE, or by a pipe")
	}
	custom := string(begin) == "PGDMP"
	switch {
	case s.kind == "mysql" && custom:
		return hint(usageError("the dump is of PostgreSQL, and %s is of type %s", s.label, s.kind), "name a service of type postgresql")
	case opts.clean && !custom:
		return hint(usageError("--clean is for a dump in PostgreSQL's own format, and this one is SQL"), "leave out --clean: the SQL itself has to drop what is there")
	case s.kind == "mysql":
		return s.run(ctx, env, s.tool("mysql", s.database), in, env.Stdout)
	case !custom:
		return s.run(ctx, env, s.tool("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null", s.dbname()), in, env.Stdout)
	}
	words := s.tool("pg_restore", "--exit-on-error", "--single-transaction", s.dbname())
	if opts.clean {
		words = append(words, "--clean", "--if-exists")
	}
	return s.run(ctx, env, words, in, env.Stdout)
}

// firstBytes returns what tells the format of a dump. It waits no longer than ctx lasts:
// nothing may come.
func firstBytes(ctx context.Context, in *bufio.Reader) ([]byte, error) {
	type peeked struct {
		begin []byte
		err   error
	}
	read := make(chan peeked, 1)
	go func() {
		begin, err := in.Peek(5)
		read <- peeked{begin, err}
	}()
	select {
	case p := <-read:
		return p.begin, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run runs a tool as "exec" does, as a child of ours. It ends with the tool: whoever feeds
// one that has failed may never end.
func (s *dbServer) run(ctx context.Context, env *Env, words []string, in io.Reader, out io.Writer) error {
	self, err := env.selfPath()
	if err != nil {
		return err
	}
	// Variables of the shell that started the project would lead the tools to another server.
	cmd := exec.CommandContext(ctx, self, append([]string{"exec", "--without", "PG,MYSQL_", s.label, "--"}, words...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = env.Dir, s.env, out, env.Stderr
	var feed io.WriteCloser
	if in != nil {
		if feed, err = cmd.StdinPipe(); err != nil {
			return err
		}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	broken := make(chan error, 1)
	if in != nil {
		go func() {
			dump := &dumpReader{Reader: in}
			_, failed := io.Copy(feed, dump) // what the tool does not take it says itself
			why := dump.err
			if why != nil {
				why = fmt.Errorf("cannot read the dump: %v", why)
			} else if failed == nil && dump.incomplete() {
				why = hint(errors.New("the dump is incomplete: its last line is not there"), "make it again; %s", s.afterPart())
			}
			if why == nil {
				feed.Close()
				return
			}
			// At the end of its input the tool would keep what has come so far.
			broken <- why
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}()
	}
	err = cmd.Wait()
	select {
	case why := <-broken:
		return why
	default:
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &endError{&exitError{code: exit.ExitCode()}}
	}
	return err
}

// afterPart says what has become of a database when only a part of a dump has come.
func (s *dbServer) afterPart() string {
	if s.kind == "postgresql" {
		return "the database is as it was"
	}
	return "what came before its end is in the database"
}

// A dumpReader remembers why it cannot be read on, and how the dump began and ended.
type dumpReader struct {
	io.Reader
	err        error
	head, tail []byte
}

// dumpEdge is how much of a dump is looked at for its first and its last line.
const dumpEdge = 1024

func (r *dumpReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	r.head = append(r.head, b[:min(n, dumpEdge-len(r.head))]...)
	r.tail = append(r.tail, b[max(0, n-dumpEdge):n]...)
	r.tail = slices.Clone(r.tail[max(0, len(r.tail)-dumpEdge):])
	return n, err
}

// incomplete reports whether the dump says at its begin which program has made it, and does
// not say at its end that this was done. SQL that says neither may be a person's.
func (r *dumpReader) incomplete() bool {
	for begin, end := range map[string]string{
		"-- PostgreSQL database dump\n":         "-- PostgreSQL database dump complete\n",
		"-- PostgreSQL database cluster dump\n": "-- PostgreSQL database cluster dump complete\n",
		"-- MySQL dump ":                        "-- Dump completed",
		"-- MariaDB dump ":                      "-- Dump completed",
	} {
		if bytes.Contains(r.head, []byte(begin)) {
			return !bytes.Contains(r.tail, []byte(end))
		}
	}
	return false
}
