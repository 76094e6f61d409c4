package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

type mysqlOptions struct {
	bin, data, socket, spec string
}

func (o *mysqlOptions) flags(work string) *flag.FlagSet {
	f := flag.NewFlagSet("mysql "+work, flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "", "folder of the programs")
	f.StringVar(&o.data, "data", "", "data folder")
	if work == "setup" {
		f.StringVar(&o.socket, "socket", "", "the server's socket")
		f.StringVar(&o.spec, "spec", "", "file with what to ensure")
	}
	return f
}

// A mysqlSpec is what a definition wants of a server. It comes in a file and not in
// arguments, since it holds passwords.
type mysqlSpec struct {
	Databases []mysqlDatabase `json:"databases"`
	Users     []mysqlUser     `json:"users"`
	Roles     []string        `json:"roles"`  // users of this machine that get all rights
	Script    string          `json:"script"` // run once, after the first start
	Zones     bool            `json:"zones"`  // load the time zones, once

	Replication *mysqlReplication `json:"replication"`
}

type mysqlReplication struct {
	Role     string `json:"role"` // "master" or "slave"
	Host     string `json:"host"` // of a master, where its followers are; else the master
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password string `json:"password"`
}

type mysqlDatabase struct {
	Name    string   `json:"name"`
	Schemas []string `json:"schemas"`
}

type mysqlUser struct {
	Name        string            `json:"name"`
	Password    string            `json:"password"`
	Permissions map[string]string `json:"permissions"` // privileges, by what they are on
}

// initMySQL makes the data folder with the tool of MariaDB, or else of MySQL.
func initMySQL(ctx context.Context, o mysqlOptions, stdio Stdio) error {
	if os.Geteuid() == 0 {
		return lasting(errors.New("mysql: the server must not run as root\nhint: set the service's user to another one, such as \"mysql\""))
	}
	if _, err := os.Stat(filepath.Join(o.data, "mysql")); err == nil {
		return nil
	}
	return buildAside(o.data, "mysql", "mysql", func(dir string) error {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("mysql: %v", err)
		}
		args := []string{"--no-defaults", "--datadir=" + dir, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force"}
		program := filepath.Join(o.bin, "mariadb-install-db")
		if _, err := os.Stat(program); err != nil {
			program = filepath.Join(o.bin, "mysqld")
			args = []string{"--no-defaults", "--initialize-insecure", "--datadir=" + dir}
		}
		cmd := exec.CommandContext(ctx, program, args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			stdio.Err.Write(out.Bytes())
			return fmt.Errorf("mysql: %s: %v%s", filepath.Base(program), err, initReason(out.String()))
		}
		return nil
	})
}

// initReason returns the first error in the output of a tool that makes a data folder,
// with ": " before it. The output ends with advice that is the same for all errors.
func initReason(out string) string {
	_, reason, ok := strings.Cut(out, "[ERROR] ")
	if !ok {
		return ""
	}
	reason, _, _ = strings.Cut(reason, "\n")
	if strings.Contains(reason, "Can't create/write to file '"+os.TempDir()) {
		reason += "\nhint: the user of the service must be able to write to TMPDIR, " + os.TempDir()
	}
	return ": " + reason
}

// setupMySQL makes what the definition asks for and a running server lacks.
func setupMySQL(ctx context.Context, o mysqlOptions, stdio Stdio) error {
	data, err := os.ReadFile(o.spec)
	if err != nil {
		return fmt.Errorf("mysql: %v", err)
	}
	var spec mysqlSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("mysql: %s: %v", o.spec, err)
	}
	s := &mysqlSetup{o: o, stdio: stdio, follows: spec.Replication != nil && spec.Replication.Role == "slave"}
	if err := s.ensureDatabases(ctx, spec.Databases); err != nil {
		return err
	}
	if err := s.ensureUsers(ctx, spec); err != nil {
		return err
	}
	if err := s.loadZones(ctx, spec.Zones); err != nil {
		return err
	}
	if err := s.replicate(ctx, spec.Replication); err != nil {
		return err
	}
	done := filepath.Join(o.data, setupMark)
	if there, err := marked(done, "mysql"); there || err != nil {
		return err
	}
	if spec.Script != "" {
		if err := s.runFile(ctx, "", spec.Script); err != nil {
			return err
		}
	}
	return mark(done, "mysql")
}

type mysqlSetup struct {
	o       mysqlOptions
	stdio   Stdio
	follows bool // another server, whose log what is done here must not get into
}

// client runs SQL, of the file input if that is not nil, and returns what it prints.
// It connects as root, whose password is empty: the socket can only be reached from
// this machine.
func (s *mysqlSetup) client(ctx context.Context, database string, input *os.File, sql string) (string, error) {
	program := filepath.Join(s.o.bin, "mariadb")
	if _, err := os.Stat(program); err != nil {
		program = filepath.Join(s.o.bin, "mysql")
	}
	args := []string{"--no-defaults", "--protocol=socket", "--socket=" + s.o.socket, "--user=root", "--batch", "--skip-column-names"}
	if database != "" {
		args = append(args, "--database="+database)
	}
	if s.follows {
		args = append(args, "--init-command=SET SESSION sql_log_bin=0")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = without(os.Environ(), "MYSQL_") // MYSQL_HOST would lead to another server
	cmd.Stdin = strings.NewReader(sql)        // not an argument: it may hold passwords
	if input != nil {
		cmd.Stdin = input
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		message := strings.TrimSpace(errs.String())
		if strings.Contains(message, "Access denied") {
			message += "\nhint: the set-up connects as root over the socket, without a password"
		}
		refused := mysqlRefused(message)
		if input != nil {
			message = passagesHere().mysql(message, input.Name())
		}
		err = fmt.Errorf("%w\n%s", err, message)
		if refused {
			err = lasting(err)
		}
		return "", err
	}
	return out.String(), nil
}

// mysqlRefused reports whether the server has refused a statement for good. Errors of
// the server have numbers from 1000 on, and again from 3000, those of the client from
// 2000. Some errors of the server pass: too many connections, a full disk, a lock that
// somebody else holds, a cluster that is still to be joined.
func mysqlRefused(message string) bool {
	for _, line := range strings.Split(message, "\n") {
		rest, ok := strings.CutPrefix(line, "ERROR ")
		number, _, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			continue
		}
		return (n < 2000 || n >= 3000) && !slices.Contains([]int{1021, 1040, 1041, 1047, 1053, 1203, 1205, 1213}, n)
	}
	return false
}

// pending returns the file that marks a database whose schema is being loaded.
func (s *mysqlSetup) pending(name string) string {
	return filepath.Join(s.o.data, ".nix2gpu-pending-"+strings.ReplaceAll(name, "/", "_"))
}

func (s *mysqlSetup) ensureDatabases(ctx context.Context, wanted []mysqlDatabase) error {
	list, err := s.client(ctx, "", nil, "SELECT schema_name FROM information_schema.schemata")
	if err != nil {
		return fmt.Errorf("mysql: cannot set the server up: %v", err)
	}
	have := strings.Fields(list)
	for _, db := range wanted {
		if _, err := os.Stat(s.pending(db.Name)); err == nil { // an earlier run was killed at it
			if _, err := s.client(ctx, "", nil, "DROP DATABASE IF EXISTS "+mysqlName(db.Name)); err != nil {
				return fmt.Errorf("mysql: cannot make database %q again: %v", db.Name, err)
			}
		} else if slices.Contains(have, db.Name) {
			continue
		}
		if len(db.Schemas) > 0 {
			if err := os.WriteFile(s.pending(db.Name), nil, 0o600); err != nil {
				return fmt.Errorf("mysql: %v", err)
			}
		}
		if _, err := s.client(ctx, "", nil, "CREATE DATABASE "+mysqlName(db.Name)); err != nil {
			return fmt.Errorf("mysql: cannot make database %q: %v", db.Name, err)
		}
		for _, schema := range db.Schemas {
			if err := s.runFile(ctx, db.Name, schema); err != nil {
				return err
			}
		}
		if err := os.Remove(s.pending(db.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mysql: %v", err)
		}
	}
	return nil
}

func (s *mysqlSetup) ensureUsers(ctx context.Context, spec mysqlSpec) error {
	var sql strings.Builder
	for _, name := range append(callers(), spec.Roles...) {
		if name != "root" {
			fmt.Fprintf(&sql, "CREATE USER IF NOT EXISTS %s@'localhost';\nGRANT ALL PRIVILEGES ON *.* TO %s@'localhost' WITH GRANT OPTION;\n", mysqlText(name), mysqlText(name))
		}
	}
	for _, u := range spec.Users {
		who := mysqlText(u.Name) + "@'localhost'"
		by := ""
		if u.Password != "" {
			by = " IDENTIFIED BY " + mysqlText(u.Password)
		}
		sql.WriteString("CREATE USER IF NOT EXISTS " + who + by + ";\n")
		if by != "" { // which may be another one since the last start
			sql.WriteString("ALTER USER " + who + by + ";\n")
		}
		for _, on := range slices.Sorted(maps.Keys(u.Permissions)) {
			fmt.Fprintf(&sql, "GRANT %s ON %s TO %s;\n", u.Permissions[on], on, who)
		}
	}
	if sql.Len() == 0 {
		return nil
	}
	if _, err := s.client(ctx, "", nil, sql.String()); err != nil {
		return fmt.Errorf("mysql: cannot ensure the users: %w", err)
	}
	return nil
}

// loadZones loads the machine's time zones, once.
func (s *mysqlSetup) loadZones(ctx context.Context, wanted bool) error {
	done := filepath.Join(s.o.data, ".nix2gpu-time-zones")
	if !wanted {
		return nil
	}
	if loaded, err := marked(done, "mysql"); loaded || err != nil {
		return err
	}
	program := filepath.Join(s.o.bin, "mariadb-tzinfo-to-sql")
	if _, err := os.Stat(program); err != nil {
		program = filepath.Join(s.o.bin, "mysql_tzinfo_to_sql")
	}
	cmd := exec.CommandContext(ctx, program, "/usr/share/zoneinfo")
	var sql bytes.Buffer
	cmd.Stdout = &sql // on its errors it tells of every file that is no zone
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("mysql: cannot read the time zones of /usr/share/zoneinfo: %s: %v\nhint: the package tzdata has them", filepath.Base(program), err)
	}
	if _, err := s.client(ctx, "mysql", nil, sql.String()); err != nil {
		return fmt.Errorf("mysql: cannot load the time zones: %w", err)
	}
	return mark(done, "mysql")
}

// replicate makes the user of a master's followers, or lets the server follow its master.
// It goes on where it was: the position is that of what it has got, not of a file.
func (s *mysqlSetup) replicate(ctx context.Context, r *mysqlReplication) error {
	if r == nil {
		return nil
	}
	version, err := s.client(ctx, "", nil, "SELECT VERSION()")
	if err != nil {
		return fmt.Errorf("mysql: cannot set replication up: %w", err)
	}
	if !strings.Contains(version, "MariaDB") {
		return lasting(fmt.Errorf("mysql: replication is for MariaDB, and this server is MySQL %s\nhint: set its own up by initialScript", strings.TrimSpace(version)))
	}
	who := mysqlText(r.User) + "@" + mysqlText(r.Host)
	sql := fmt.Sprintf("CREATE USER IF NOT EXISTS %s;\nALTER USER %[1]s IDENTIFIED BY %s;\nGRANT REPLICATION SLAVE ON *.* TO %[1]s;\n", who, mysqlText(r.Password))
	if r.Role == "slave" {
		sql = fmt.Sprintf("STOP SLAVE;\nCHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%d, MASTER_USER=%s, MASTER_PASSWORD=%s, MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos;\nSTART SLAVE;\n",
			mysqlText(r.Host), r.Port, mysqlText(r.User), mysqlText(r.Password))
	}
	if _, err := s.client(ctx, "", nil, sql); err != nil {
		return fmt.Errorf("mysql: cannot set replication up: %w", err)
	}
	return nil
}

// runFile runs a script, or all scripts of a folder in the order of their names.
func (s *mysqlSetup) runFile(ctx context.Context, database, path string) error {
	files := []string{path}
	info, err := os.Stat(path)
	if err != nil {
		return lasting(fmt.Errorf("mysql: %v", err))
	}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(globEscape(path), "*.sql")); err != nil {
			return fmt.Errorf("mysql: %v", err)
		}
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return lasting(fmt.Errorf("mysql: %v", err))
		}
		out, err := s.client(ctx, database, f, "")
		f.Close()
		if err != nil {
			return fmt.Errorf("mysql: script %s: %w", passagesHere().name(file), err)
		}
		fmt.Fprint(s.stdio.Out, out)
	}
	return nil
}

func mysqlName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func mysqlText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`, "\x00", `\0`).Replace(text) + "'"
}
