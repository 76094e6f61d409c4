package stage

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// Places are the folders for which the texts of a project have placeholders. All
// paths are absolute.
type Places struct {
	Root    string // the definition's folder; the working directory in a container
	State   string // outlives a run
	Run     string // of this run: sockets, rendered configuration
	Self    string // the nix2gpu binary
	Shipped string // the encrypted secrets of our image, as NAME.age; "": we are in no image
	Secrets string // of this run, in memory: files with secrets in them; "": there is no memory for them
}

// Options tunes a Stage. The zero value is ready to use.
type Options struct {
	Environ []string // what every process inherits, "K=V"; default: os.Environ()
	// Container says that we are in a container, where a missing GPU is a matter of
	// how it is run.
	Container bool
	// Looking says that nothing will be started, and that only the errors matter.
	// Secrets are not read.
	Looking bool
	// Beside are folders that the processes must be able to enter, in addition to
	// Places: for a stage whose places are copies of others.
	Beside []string
}

// A Stage prepares the processes of one project on this machine.
type Stage struct {
	at       Places
	provider packages.Provider
	environ  []string
	root     bool // we may become other users
	search   bool // we may let them pass through closed folders
	looking  bool
	inside   bool // of a container
	beside   []string
	found    map[search]string // programs, while looking
}

// New returns a Stage for these places. If provider is nil, packages are those that
// this machine has installed, by links below the state folder.
func New(at Places, provider packages.Provider, o Options) *Stage {
	if provider == nil {
		provider = &packages.Host{Dir: filepath.Join(at.State, "packages")}
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	return &Stage{at: at, provider: provider, environ: o.Environ, root: os.Geteuid() == 0, search: mayPassOn(unix.CAP_DAC_READ_SEARCH), looking: o.Looking, inside: o.Container, beside: o.Beside, found: make(map[search]string)}
}

// A Launch is all that is needed to spawn a process. Nothing in it has to be looked
// up any more.
type Launch struct {
	Path string   // of the program, absolute
	Argv []string // Argv[0] as the program is to see it
	Env  []string // "K=V", each name once, sorted
	Dir  string

	// SetUser says that the process is to become UID, GID and Groups.
	SetUser bool
	UID     uint32
	GID     uint32
	Groups  []uint32

	NoNewPrivs bool
	Limits     project.Limits   // their paths resolved
	Settings   project.Settings // whose groups are among Groups, and whose paths in Write
	// In a sandbox, Read and Write are all that it may see of the file system.
	Read, Write []string

	// Lacks says that a shell line runs nvidia-smi, which is missing; else nil. It
	// keeps no process from starting, because the shell may go on without.
	Lacks *Error

	// Caps are the capabilities that the process keeps although it becomes another
	// user, such as "net_bind_service".
	Caps []string
}

// Prepare makes the folders and files of proc and returns what spawns it. The error
// is an [*Error] unless the system failed us.
func (s *Stage) Prepare(p *project.Project, proc *project.Process) (*Launch, error) {
	user, err := s.userOf(p, proc)
	if err != nil {
		return nil, err
	}
	if err := s.enterable(user); err != nil {
		return nil, err
	}
	if err := s.secretFiles(p, proc, user); err != nil {
		return nil, err
	}
	for _, d := range proc.Dirs {
		if err := s.makeDir(p, d, user); err != nil {
			return nil, err
		}
	}
	for i := range proc.Files {
		if err := s.writeFile(p, &proc.Files[i], user); err != nil {
			return nil, err
		}
	}
	return s.launch(p, proc, user, proc.Command, proc.Dir)
}

// PrepareExec is Prepare for another command in the surroundings of proc, such as an
// exec probe or a shutdown command. It makes no folders and no files of the process.
// An empty dir is the process's own.
func (s *Stage) PrepareExec(p *project.Project, proc *project.Process, cmd project.Command, dir project.Text) (*Launch, error) {
	user, err := s.userOf(p, proc)
	if err != nil {
		return nil, err
	}
	if dir.IsEmpty() {
		dir = proc.Dir
	}
	return s.launch(p, proc, user, cmd, dir)
}

// Surroundings returns a Launch without a program, for a command of the user's own in
// the surroundings of proc. An empty dir is the process's own.
func (s *Stage) Surroundings(p *project.Project, proc *project.Process, dir project.Text) (*Launch, error) {
	user, err := s.userOf(p, proc)
	if err != nil {
		return nil, err
	}
	if dir.IsEmpty() {
		dir = proc.Dir
	}
	l, _, err := s.surroundings(p, proc, user, dir)
	return l, err
}

func (s *Stage) surroundings(p *project.Project, proc *project.Process, user *account, dir project.Text) (*Launch, environment, error) {
	cwd, err := s.path(p, dir)
	if err != nil {
		return nil, nil, err
	}
	if err := checkDir(cwd, user); err != nil {
		return nil, nil, err
	}
	env, err := s.env(p, proc, user, cwd)
	if err != nil {
		return nil, nil, err
	}
	l := &Launch{Dir: cwd, Env: env.list(), NoNewPrivs: proc.NoNewPrivs, Limits: proc.Limits}
	l.Limits.IO.Max = slices.Clone(proc.Limits.IO.Max)
	for i := range l.Limits.IO.Max {
		path, err := s.path(p, l.Limits.IO.Max[i].Path)
		if err != nil {
			return nil, nil, err
		}
		l.Limits.IO.Max[i].Path = project.Lit(path)
	}
	l.Settings = proc.Settings
	l.Settings.Groups, l.Settings.Writable = nil, nil
	if err := s.confine(p, proc, l); err != nil {
		return nil, nil, err
	}
	if s.root && len(proc.Settings.Groups) > 0 {
		more, err := groupIDs(proc.Settings.Groups)
		if err != nil {
			return nil, nil, err
		}
		l.SetUser, l.UID, l.GID, l.Groups = true, user.uid, user.gid, append(user.memberOf(), more...)
	}
	if user.other && !l.SetUser {
		l.SetUser, l.UID, l.GID, l.Groups = true, user.uid, user.gid, user.groups
	}
	if user.other && proc.Settings.Capabilities == nil {
		l.Caps = capsOf(p, proc, user)
	}
	return l, env, nil
}

func (s *Stage) launch(p *project.Project, proc *project.Process, user *account, cmd project.Command, dir project.Text) (*Launch, error) {
	l, env, err := s.surroundings(p, proc, user, dir)
	if err != nil {
		return nil, err
	}
	l.Path, l.Argv, err = s.command(p, cmd, env, l.Dir, user)
	if err != nil {
		return nil, err
	}
	l.Lacks = s.lacksGPU(cmd, l.Argv, env["PATH"], l.Dir, user)
	if user.passes {
		// Programs look for their own folder with access(2), which ignores
		// capabilities. So they get the path that our link leads to. That may be a
		// link, too, which stays: redis-server leads to a program that goes by the
		// name of the link.
		if target, err := os.Readlink(l.Path); err == nil && filepath.IsAbs(target) {
			if l.Argv[0] == l.Path {
				l.Argv[0] = target
			}
			l.Path = target
		}
	}
	return l, nil
}

// command returns the program of cmd and its arguments. A shell line that consists of
// plain words is executed without a shell: that saves a process, and signals reach
// the program itself.
func (s *Stage) command(p *project.Project, cmd project.Command, env environment, cwd string, user *account) (string, []string, error) {
	if len(cmd.Exec) > 0 {
		argv := make([]string, len(cmd.Exec))
		for i, word := range cmd.Exec {
			var err error
			if argv[i], err = s.Resolve(p, word); err != nil {
				return "", nil, err
			}
		}
		path, err := s.findProgram(argv[0], env["PATH"], cwd, user)
		return path, argv, err
	}
	line, err := s.resolveShell(p, cmd.Shell)
	if err != nil {
		return "", nil, err
	}
	if strings.TrimSpace(line) == "" {
		return "", nil, &Error{Kind: NoCommand, Msg: "the command is empty", Hint: "write one"}
	}
	if len(cmd.ShellArgv) == 0 {
		if words, ok := plainWords(line); ok {
			path, err := s.findProgram(words[0], env["PATH"], cwd, user)
			if !isKind(err, NoFormat) { // only a shell runs a script without "#!"
				return path, words, err
			}
		}
	}
	argv := append([]string{}, cmd.ShellArgv...)
	if len(argv) == 0 {
		argv = []string{"bash", "-c"}
	}
	argv = append(argv, line)
	path, err := findProgram(argv[0], env["PATH"], cwd, user)
	if err != nil && len(cmd.ShellArgv) == 0 {
		argv[0] = "sh"
		path, err = findProgram(argv[0], cmp.Or(env["PATH"], "/bin:/usr/bin"), cwd, user)
	}
	return path, argv, err
}

// A Kind is a kind of reason for which a process can't be started.
type Kind int

// The kinds of [Error].
const (
	NoCommand     Kind = iota + 1 // the program does not exist
	NotExecutable                 // the program may not be executed
	NoInterpreter                 // its interpreter or loader does not exist
	NoFormat                      // it is neither a program nor a script with "#!"
	BadFolder                     // a folder is missing or closed to the user
	BadFile                       // a file cannot be written or read
	BadUser                       // there is no such user, or we may not become one
	BadGroup                      // there is no such group
	NotRoot                       // it needs root's rights, and we are not root
	BadSandbox                    // a sandbox is to have a path that does not exist
	BadPackage                    // a package is not installed
	BadText                       // a text names what does not exist
	BadSecret                     // a secret cannot be read, or not be handed on
	NoGPU                         // the program comes with the driver of a GPU, and there is none
)

// Lasts reports whether a failure of the kind stays until somebody corrects it: a
// user or a package does not come by itself.
func (k Kind) Lasts() bool {
	return k == BadUser || k == BadGroup || k == NotRoot || k == BadPackage || k == BadText
}

// An Error says why a process cannot be started.
type Error struct {
	Kind  Kind
	Msg   string
	Hint  string // the cure
	Path  string // what is missing, if the user has named it by its path
	cause error
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + "\nhint: " + e.Hint
}

// Unwrap returns the system's error, or the *packages.MissingError.
func (e *Error) Unwrap() error { return e.cause }

func isKind(err error, k Kind) bool {
	e, ok := err.(*Error)
	return ok && e.Kind == k
}

func fileError(kind Kind, what, path string, err error) *Error {
	if inner, ok := err.(*os.PathError); ok {
		err = inner.Err
	}
	return &Error{Kind: kind, Msg: fmt.Sprintf("%s %q: %v", what, path, err), cause: err}
}
