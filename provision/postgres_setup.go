package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

type setupOptions struct {
	bin, data, socket, superuser string
	port                         int
	roles                        words // become superusers, as does whoever started us
	databases                    words
	schemas                      words  // DATABASE=PATH, run when the database is made
	users                        words  // JSON of ensuredUser
	passwords                    string // a file of JSON: passwords by role; "": none
	before, after                words  // scripts for the first start, before and after the databases
	own                          bool   // make a database with the caller's name
	standby                      bool   // the server follows another one, and takes no changes
}

func (o *setupOptions) flags() *flag.FlagSet {
	f := flag.NewFlagSet("postgresql setup", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "", "folder of psql")
	f.StringVar(&o.data, "data", "", "data folder")
	f.StringVar(&o.socket, "socket", "", "folder of the server's socket")
	f.IntVar(&o.port, "port", 5432, "port, which is part of the socket's name")
	f.StringVar(&o.superuser, "superuser", "postgres", "role to connect as")
	f.Var(&o.roles, "role", "role to ensure")
	f.Var(&o.databases, "database", "database to ensure")
	f.Var(&o.schemas, "schema", "DATABASE=PATH, a script or a folder of them")
	f.Var(&o.users, "ensure-user", "user to ensure, as JSON")
	f.StringVar(&o.passwords, "passwords", "", "file with passwords by role, as JSON")
	f.Var(&o.before, "before", "script of the first start, before the databases")
	f.Var(&o.after, "after", "script of the first start, after the databases")
	f.BoolVar(&o.own, "own-database", false, "ensure a database named as the caller")
	f.BoolVar(&o.standby, "standby", false, "the server follows another one")
	return f
}

// An ensuredUser is an element of NixOS's ensureUsers.
type ensuredUser struct {
	Name    string          `json:"name"`
	Owns    bool            `json:"ensureDBOwnership"`
	Clauses map[string]bool `json:"ensureClauses"`
}

// Marks in the data folder. beforeMark says that the scripts before the databases have
// run, and setupMark that all scripts of the first start have. With one mark for both,
// the former would run again after a later step had failed.
const (
	setupMark  = ".nix2gpu-setup"
	beforeMark = ".nix2gpu-setup-before"
)

// setupPostgres makes what the definition asks for and a running server lacks. It runs
// after each start, so that a database that is added later is made as well.
func setupPostgres(ctx context.Context, o setupOptions, stdio Stdio) error {
	conn, cfg, err := connect(ctx, &o)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	s := &setup{o: o, conn: conn, cfg: cfg, role: cfg.User, stdio: stdio}
	follows, err := s.column(ctx, "SELECT pg_is_in_recovery()::text")
	if err != nil || o.standby {
		return err // of a standby, nothing can be changed here
	}
	if slices.Contains(follows, "true") { // it no longer is to
		if err := s.promote(ctx); err != nil {
			return err
		}
	}
	done, err := s.marked(setupMark)
	if err != nil {
		return err
	}
	begun, err := s.marked(beforeMark)
	if err != nil {
		return err
	}
	if err := s.ensureRoles(ctx); err != nil {
		return err
	}
	if !done && !begun && len(o.before) > 0 {
		if err := s.runAll(ctx, "postgres", o.before); err != nil {
			return err
		}
		if err := s.mark(beforeMark); err != nil {
			return err
		}
	}
	if err := s.ensureDatabases(ctx); err != nil {
		return err
	}
	if err := s.ensureUsers(ctx); err != nil {
		return err
	}
	if err := s.setPasswords(ctx); err != nil {
		return err
	}
	if done {
		return nil
	}
	if err := s.runAll(ctx, "postgres", o.after); err != nil {
		return err
	}
	return s.mark(setupMark)
}

func (s *setup) marked(name string) (bool, error) {
	return marked(filepath.Join(s.o.data, name), "postgresql")
}

func (s *setup) mark(name string) error {
	return mark(filepath.Join(s.o.data, name), "postgresql")
}

type setup struct {
	o     setupOptions
	conn  *pgconn.PgConn
	cfg   *pgconn.Config // of conn
	role  string         // that we are connected as
	stdio Stdio
}

// connect connects through the socket, as the superuser or else as the caller, whose
// role has usually made a cluster that comes from elsewhere.
func connect(ctx context.Context, o *setupOptions) (*pgconn.PgConn, *pgconn.Config, error) {
	dropPG()
	cfg, err := pgconn.ParseConfig("sslmode=disable passfile=/dev/null servicefile=/dev/null")
	if err != nil {
		return nil, nil, fmt.Errorf("postgresql: %v", err)
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.Fallbacks = o.socket, uint16(o.port), "postgres", nil
	candidates := append([]string{o.superuser}, callers()...)
	var firstErr error
	for _, role := range candidates {
		cfg.User = role
		conn, err := connectPatiently(ctx, cfg)
		if err == nil {
			return conn, cfg, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || !strings.HasPrefix(pgErr.Code, "28") {
			break // another role would not help
		}
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](firstErr); ok && strings.HasPrefix(pgErr.Code, "28") {
		return nil, nil, lasting(fmt.Errorf("postgresql: cannot connect as %q to set the server up: %s\n"+
			"hint: let authentication begin with \"local all %s trust\", or set superuser to the role that made the data folder",
			o.superuser, pgErr.Message, o.superuser))
	}
	return nil, nil, fmt.Errorf("postgresql: cannot connect to set the server up: %v\nhint: the server's own lines in the log say why", firstErr)
}

// dropPG drops the variables of libpq, which pgconn reads.
func dropPG() {
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "PG") {
			os.Unsetenv(k)
		}
	}
}

// connectPatiently connects to a server that may still be starting.
func connectPatiently(ctx context.Context, cfg *pgconn.Config) (*pgconn.PgConn, error) {
	deadline := time.Now().Add(30 * time.Second)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		conn, err := pgconn.ConnectConfig(ctx, cfg)
		if err == nil {
			return conn, nil
		}
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code != "57P03" { // 57P03: starting up
			return nil, err
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// callers returns the names of whoever started us. They become roles, because a client
// that names no role connects by the name of its user.
func callers() []string {
	var names []string
	if u, err := user.Current(); err == nil {
		names = append(names, u.Username)
	}
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		names = append(names, name)
	}
	return names
}

func (s *setup) ensureRoles(ctx context.Context) error {
	have, err := s.column(ctx, "SELECT rolname FROM pg_roles")
	if err != nil {
		return err
	}
	for _, role := range slices.Concat([]string{s.o.superuser, "postgres"}, callers(), s.o.roles) {
		if role == "" || slices.Contains(have, role) || strings.HasPrefix(role, "pg_") {
			continue
		}
		if err := s.exec(ctx, "CREATE ROLE "+quote(role)+" SUPERUSER LOGIN"); err != nil {
			return err
		}
		have = append(have, role)
	}
	return nil
}

// scratch returns the name of a database while its schema is loaded. It is renamed
// when the schema is complete, so that half a schema is never taken for a whole one.
func scratch(name string) string { return name + ".nix2gpu" }

func (s *setup) ensureDatabases(ctx context.Context) error {
	have, err := s.column(ctx, "SELECT datname FROM pg_database")
	if err != nil {
		return err
	}
	wanted := slices.Clone(s.o.databases)
	if s.o.own {
		wanted = append(wanted, callers()...)
	}
	var plain []string
	for _, name := range wanted {
		if slices.Contains(have, name) {
			continue
		}
		have = append(have, name)
		schemas, err := s.schemasOf(name)
		switch {
		case err != nil:
			return err
		case len(schemas) == 0:
			plain = append(plain, name)
			continue
		}
		if slices.Contains(have, scratch(name)) { // an earlier run was killed at it
			if err := s.exec(ctx, "DROP DATABASE "+quote(scratch(name))+" WITH (FORCE)"); err != nil {
				return err
			}
		}
		if err := s.exec(ctx, "CREATE DATABASE "+quote(scratch(name))); err != nil {
			return err
		}
		if err := s.runAll(ctx, scratch(name), schemas); err != nil {
			return err
		}
		if err := s.exec(ctx, "ALTER DATABASE "+quote(scratch(name))+" RENAME TO "+quote(name)); err != nil {
			return err
		}
	}
	return s.createDatabases(ctx, plain)
}

// createDatabases makes several databases at a time: each waits for the disk, and they
// can wait together.
func (s *setup) createDatabases(ctx context.Context, names []string) error {
	errs := make([]error, len(names))
	slots := make(chan struct{}, 4)
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			conn := s.conn
			if i > 0 {
				var err error
				if conn, err = connectPatiently(ctx, s.cfg); err != nil {
					errs[i] = fmt.Errorf("postgresql: cannot connect to make database %q: %v", name, err)
					return
				}
				defer conn.Close(context.WithoutCancel(ctx))
			}
			_, err := conn.Exec(ctx, "CREATE DATABASE "+quote(name)).ReadAll()
			if err != nil {
				errs[i] = lastingSQL(fmt.Errorf("postgresql: cannot make database %q: %w", name, err))
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// schemasOf returns the scripts for a database. A folder means its *.sql files in the
// order of their names.
func (s *setup) schemasOf(database string) ([]string, error) {
	var files []string
	for _, schema := range s.o.schemas {
		name, path, _ := strings.Cut(schema, "=")
		if name != database {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, lasting(fmt.Errorf("postgresql: schema of database %q: %v", database, err))
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		scripts, err := filepath.Glob(filepath.Join(globEscape(path), "*.sql"))
		if err != nil {
			return nil, fmt.Errorf("postgresql: schema of database %q: %v", database, err)
		}
		files = append(files, scripts...) // sorted by Glob
	}
	return files, nil
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func (s *setup) ensureUsers(ctx context.Context) error {
	for _, text := range s.o.users {
		var u ensuredUser
		if err := json.Unmarshal([]byte(text), &u); err != nil || u.Name == "" {
			return lasting(fmt.Errorf("postgresql: ensured user %q must be JSON with a name: %v", text, err))
		}
		have, err := s.column(ctx, "SELECT rolname FROM pg_roles WHERE rolname = "+literal(u.Name))
		if err != nil {
			return err
		}
		if len(have) == 0 {
			if err := s.exec(ctx, "CREATE ROLE "+quote(u.Name)+" LOGIN"); err != nil {
				return err
			}
		}
		var clauses []string
		for _, name := range slices.Sorted(maps.Keys(u.Clauses)) {
			clause := strings.ToUpper(name)
			if !u.Clauses[name] {
				clause = "NO" + clause
			}
			clauses = append(clauses, clause)
		}
		if len(clauses) > 0 {
			if err := s.exec(ctx, "ALTER ROLE "+quote(u.Name)+" "+strings.Join(clauses, " ")); err != nil {
				return err
			}
		}
		if u.Owns {
			if err := s.exec(ctx, "ALTER DATABASE "+quote(u.Name)+" OWNER TO "+quote(u.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// setPasswords sets the passwords of roles, as they may be others since the last start.
func (s *setup) setPasswords(ctx context.Context) error {
	if s.o.passwords == "" {
		return nil
	}
	text, err := os.ReadFile(s.o.passwords)
	if err != nil {
		return fmt.Errorf("postgresql: %v", err)
	}
	var passwords map[string]string
	if err := json.Unmarshal(text, &passwords); err != nil {
		return fmt.Errorf("postgresql: %s: %v", s.o.passwords, err)
	}
	// The server's log must not have them, whatever else it has.
	if err := s.exec(ctx, "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'"); err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(passwords)) {
		if _, err := s.conn.Exec(ctx, "ALTER ROLE "+quote(role)+" PASSWORD "+literal(passwords[role])).ReadAll(); err != nil {
			return lastingSQL(fmt.Errorf("postgresql: cannot set the password of %q: %w", role, err))
		}
	}
	return nil
}

// runAll runs scripts by psql, since they may use its backslash commands.
func (s *setup) runAll(ctx context.Context, database string, files []string) error {
	scripts := passagesHere()
	for _, file := range files {
		cmd := exec.CommandContext(ctx, filepath.Join(s.o.bin, "psql"), "--no-psqlrc", "--quiet", "--no-password",
			"--set=ON_ERROR_STOP=1", "--host="+s.o.socket, "--port="+strconv.Itoa(s.o.port), "--username="+s.role,
			"--dbname="+database, "--file="+file)
		cmd.Env = withoutPG(os.Environ())
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = s.stdio.Out, &errs
		if err := cmd.Run(); err != nil {
			err = fmt.Errorf("postgresql: script %s: %w\n%s", scripts.name(file), err, scripts.psql(strings.TrimSpace(errs.String()), file))
			if badScript(err, file) {
				err = lasting(err)
			}
			return err
		}
		if errs.Len() > 0 { // notices
			fmt.Fprint(s.stdio.Err, scripts.psql(errs.String(), file))
		}
	}
	return nil
}

// badScript reports whether psql failed because of the script: by its exit code 3, or
// because the script can't be opened, for which it has no code of its own.
func badScript(err error, file string) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if ok && exit.ExitCode() == 3 {
		return true
	}
	f, unreadable := os.Open(file)
	if unreadable == nil {
		f.Close()
	}
	return ok && unreadable != nil
}

func (s *setup) exec(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return lastingSQL(fmt.Errorf("postgresql: %s: %w", sql, err))
	}
	return nil
}

// column returns the first column of a query's result.
func (s *setup) column(ctx context.Context, sql string) ([]string, error) {
	results, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("postgresql: %s: %v", sql, err)
	}
	var out []string
	for _, r := range results {
		for _, row := range r.Rows {
			out = append(out, string(row[0]))
		}
	}
	return out, nil
}

func quote(name string) string   { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
