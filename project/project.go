package project

import "slices"

// Version is the format of the JSON that this build writes and reads.
const Version = 1

// An ID is the stable name of a service or a process. That of a service is
// "<type>.<instance>", or the instance alone for a custom one. A one-shot before or
// after the main process appends "-init" or "-setup".
type ID string

// A Project is everything that runs for one container.
type Project struct {
	Version int    `json:"version"`
	Name    string `json:"name"` // of the container, or of the definition's folder if it has none

	Services  map[ID]*Service  `json:"services"`
	Processes map[ID]*Process  `json:"processes"`
	Files     map[string]*File `json:"files,omitempty"` // generated files, by the name that Part.File uses

	// Users are the known accounts that processes run as, by name, for machines that
	// lack them.
	Users map[string]User `json:"users,omitempty"`

	// Secrets are what texts name by Part.Secret and Part.SecretFile, and processes by
	// Credentials. Their content is read at each start, with the rights of whoever
	// started nix2gpu, and never becomes part of the project.
	Secrets map[string]Secret `json:"secrets,omitempty"`

	// Compose marks what a file of process-compose has defined. There a dependency on a
	// disabled service makes its dependant impossible; elsewhere it is an error.
	Compose bool `json:"compose,omitempty"`

	// Active are the profiles that were asked for: see [Project.Activate].
	Active []string `json:"active,omitempty"`
	// Unwatched says that files are not watched, because --no-watch was given.
	Unwatched bool `json:"unwatched,omitempty"`

	WhenDone    WhenDone  `json:"whenDone,omitempty"`    // default: exit
	OnFailed    OnFailed  `json:"onFailed,omitempty"`    // default: continue
	StopTimeout *Duration `json:"stopTimeout,omitempty"` // for the stop of the whole project; nil: 9s as PID 1, else no limit

	Listen  *Listen  `json:"listen,omitempty"`  // nil: the control API is on its socket alone
	Metrics *Metrics `json:"metrics,omitempty"` // nil: nowhere else
	Logs    *Logs    `json:"logs,omitempty"`    // nil: each process's log has its own bounds alone

	Container Container `json:"container"`
	Notes     []Note    `json:"notes,omitempty"` // non-fatal findings for the reader of the definition
}

// WhenDone says what happens when nothing runs and nothing can start.
type WhenDone string

// The values of WhenDone; the empty one means WhenDoneExit.
const (
	WhenDoneExit WhenDone = "exit"
	WhenDoneStay WhenDone = "stay"
)

// OnFailed says what the first service that fails for good does to the rest.
type OnFailed string

// The values of OnFailed; the empty one means OnFailedContinue.
const (
	OnFailedContinue OnFailed = "continue"
	OnFailedExit     OnFailed = "exit"
)

// A Note is a remark about a definition: a warning, or a meaning that its author may
// not expect.
type Note struct {
	Service ID     `json:"service,omitempty"`
	Pos     Pos    `json:"pos,omitzero"`
	Text    string `json:"text"`
}

// A Pos is a place in a definition, for messages. The file is relative to the
// definition's folder.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// Container is what an image and its boot need beside the services.
type Container struct {
	ExposedPorts []string          `json:"exposedPorts,omitempty"` // "8080/tcp"
	Env          map[string]Value  `json:"env,omitempty"`          // of every process
	Labels       map[string]string `json:"labels,omitempty"`
	User         string            `json:"user,omitempty"`       // of custom services; default: root
	WorkingDir   string            `json:"workingDir,omitempty"` // default: /workspace
	Tag          string            `json:"tag,omitempty"`
	Tailscale    *Tailscale        `json:"tailscale,omitempty"`
	Startup      Text              `json:"startup,omitempty"`    // extraStartupScript
	SSHDConfig   string            `json:"sshdConfig,omitempty"` // instead of our own
	SystemPkgs   []PackageRef      `json:"systemPackages,omitempty"`
	Archives     []Archive         `json:"archives,omitempty"`  // packages that images get as files of their vendors, sorted
	CUDA         string            `json:"cuda,omitempty"`      // the cudaPackages attribute, "cudaPackages_12_8"
	CUDAPos      Pos               `json:"cudaPos,omitzero"`    // where it was set
	FromImage    string            `json:"fromImage,omitempty"` // the base that the image is put on
	FromImagePos Pos               `json:"fromImagePos,omitzero"`
	CopyToRoot   []Text            `json:"copyToRoot,omitempty"` // packages, generated files, and files of the definition's folder
	Registries   []string          `json:"registries,omitempty"` // where the image is pushed to
	MaxLayers    int               `json:"maxLayers,omitempty"`  // default: 50
	Variant      string            `json:"variant,omitempty"`    // "slim" (default), "full" or "minimal"

	// EnvCommands are run when the project starts. What each prints becomes a variable of
	// every process, by whose name it stands here, and wins over Env.
	EnvCommands map[string]*EnvCommand `json:"envCommands,omitempty"`
}

// An EnvCommand is a command that prints the value of a variable.
type EnvCommand struct {
	Command Command `json:"command"`
	Pos     Pos     `json:"pos,omitzero"`
}

// An Archive is a package that images get not from Debian but from a file that its
// vendor publishes.
type Archive struct {
	Attr     string   `json:"attr"`
	Programs []string `json:"programs,omitempty"` // that the definition names
	Pos      Pos      `json:"pos,omitzero"`
}

// HasArchive reports whether the package of an attribute is an archive.
func (c *Container) HasArchive(attr string) bool {
	return slices.ContainsFunc(c.Archives, func(a Archive) bool { return a.Attr == attr })
}

// TailscaleKey is the variable with the key by which a container joins its
// tailnet. No process inherits it.
const TailscaleKey = "TAILSCALE_AUTHKEY"

// TailscaleSecret is the name of the secret that holds the key, where the definition
// names no other.
const TailscaleSecret = "tailscale.authKey"

// Tailscale is the container's membership of a tailnet.
type Tailscale struct {
	Hostname string   `json:"hostname,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Pos      Pos      `json:"pos,omitzero"`
}

// A Service is what a definition names: one main process, and one-shots
// before and after each start of it. A service is ready when its main process
// is and all of Setup has completed.
type Service struct {
	ID          ID     `json:"id"`
	Type        string `json:"type"` // "postgresql", "custom", …
	Instance    string `json:"instance"`
	Label       string `json:"label"` // what people see; only displayed
	Description string `json:"description,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Disabled    bool   `json:"disabled,omitempty"` // started only when it is named
	// Profiles are those that enable it: without one of them it is Disabled. See
	// [Project.Activate].
	Profiles []string `json:"profiles,omitempty"`
	// System marks a service of the container itself, such as sshd: the project neither
	// waits for its end nor fails with it, no summary counts it, and only its failure
	// is reported.
	System bool `json:"system,omitempty"`
	// Completes marks a one-shot that makes something of other services, such as a cluster
	// of nodes: all is well only once it has ended with success.
	Completes bool `json:"completes,omitempty"`
	// Family is the common name of replicas, if this is one of several.
	Family string `json:"family,omitempty"`
	// Port is that of a custom service which has one to give away: replica n has the
	// first one's, and n. 0: it has none.
	Port int `json:"port,omitempty"`

	Init  []ID `json:"init,omitempty"` // one-shots that must exit 0 before Main, in order
	Main  ID   `json:"main"`
	Setup []ID `json:"setup,omitempty"` // one-shots that run once Main is ready, in order

	DependsOn map[ID]Dependency `json:"dependsOn,omitempty"` // by service
	Ports     []Port            `json:"ports,omitempty"`     // that Main will listen on

	Schedule *Schedule `json:"schedule,omitempty"` // when it runs; nil: from its start on

	Watch *Watch `json:"watch,omitempty"` // files whose change restarts it; nil: none

	GPUs *GPUs `json:"gpus,omitempty"` // what it needs of GPUs; nil: the definition does not say

	// Unsupported says why this build cannot run the service although it accepts its
	// options; empty: it can.
	Unsupported string `json:"unsupported,omitempty"`
	Pos         Pos    `json:"pos,omitzero"`
	// Options has the places of the options that a machine may fail to meet.
	Options map[string]Pos `json:"options,omitempty"`
}

// OptionPos returns where an option of the service was set, if that is known, else
// where the service was defined.
func (s *Service) OptionPos(option string) Pos {
	if pos, ok := s.Options[option]; ok {
		return pos
	}
	return s.Pos
}

// SetOption notes where an option was set that a machine can fail to meet.
func (s *Service) SetOption(option string, pos Pos) {
	if s.Options == nil {
		s.Options = map[string]Pos{}
	}
	s.Options[option] = pos
}

// A Dependency is what one service waits for in another.
type Dependency struct {
	Condition Condition `json:"condition"`
	Restart   bool      `json:"restart,omitempty"` // restart the dependant when the dependency restarts
	Replica   bool      `json:"replica,omitempty"` // the definition names this one of several, and not all of them
	Pos       Pos       `json:"pos,omitzero"`
}

// GPUs is what a service needs of the machine's GPUs, as the definition says, for the
// choice of a machine and for the image. Exactly one of All, Count and Devices is set.
// Which GPUs a process sees is decided by its environment.
type GPUs struct {
	All     bool     `json:"all,omitempty"`     // all there are, and at least one
	Count   int      `json:"count,omitempty"`   // this many
	Devices []string `json:"devices,omitempty"` // these: nvidia-smi's numbers, or UUIDs
	Memory  int64    `json:"memory,omitempty"`  // bytes that each must have in total; 0: any
}

// A Port is a port that a service listens on.
type Port struct {
	Port     int    `json:"port"`
	Protocol string `json:"protocol,omitempty"` // default: tcp
	Address  string `json:"address,omitempty"`  // default: 127.0.0.1; "*" and "0.0.0.0" mean all
	Pos      Pos    `json:"pos,omitzero"`
}

// A Role is a process's place in its service.
type Role string

// The roles, in the order in which they run.
const (
	Init  Role = "init"
	Main  Role = "main"
	Setup Role = "setup"
)

// A Process is one thing to execute.
type Process struct {
	ID      ID     `json:"id"`
	Service ID     `json:"service"`
	Role    Role   `json:"role"`
	Doing   string `json:"doing,omitempty"` // what it does until it is done or ready, for people: "making the database cluster"

	Command  Command          `json:"command"`
	Env      map[string]Value `json:"env,omitempty"`
	EnvFiles []Text           `json:"envFiles,omitempty"` // read at each start; Env overrides them
	// Credentials are names of secrets, by the names of the files that the process
	// finds them in. The files are in $CREDENTIALS_DIRECTORY, which only it can read.
	Credentials map[string]string `json:"credentials,omitempty"`
	Dir         Text              `json:"dir,omitempty"`  // default: the root
	Path        []Text            `json:"path,omitempty"` // folders put first in PATH, where they exist
	User        string            `json:"user,omitempty"` // a name, of Users or of the machine, or a uid; ignored unless we are root
	NoNewPrivs  bool              `json:"noNewPrivs,omitempty"`
	// Elevated says that the process needs root's rights. It runs only where we are root:
	// what another user starts as root, by sudo, it can't stop.
	Elevated bool `json:"elevated,omitempty"`
	// Daemon says that the command launches a daemon and ends: the process is then what it
	// has left running. Nil: it is the command itself.
	Daemon *Daemon `json:"daemon,omitempty"`
	// TTY gives the process a terminal of its own in place of pipes, and its stdin.
	TTY         bool         `json:"tty,omitempty"`
	Files       []File       `json:"files,omitempty"` // written before each start
	Dirs        []Dir        `json:"dirs,omitempty"`  // made before each start
	Packages    []PackageRef `json:"packages,omitempty"`
	Restart     Restart      `json:"restart,omitzero"`
	SuccessCode []int        `json:"successExitCodes,omitempty"` // beside 0

	Readiness *Probe `json:"readiness,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
	Startup   *Probe `json:"startup,omitempty"`

	// Test is how the program tests its configuration; nil: it can't.
	Test *ConfigTest `json:"test,omitempty"`
	// Refusals are texts by which the program says, as it ends, that it rejects its
	// configuration, so that it would end the same way again. "…" in one stands for
	// anything.
	Refusals []string `json:"refusals,omitempty"`

	Shutdown Shutdown `json:"shutdown,omitzero"`
	KillMode KillMode `json:"killMode,omitempty"` // default: group
	Limits   Limits   `json:"limits,omitzero"`
	Settings Settings `json:"settings,omitzero"`
	Log      Log      `json:"log,omitzero"`

	// ExitOnEnd ends the project, with this process's exit code, when the
	// process has ended for good.
	ExitOnEnd bool `json:"exitOnEnd,omitempty"`
	// ExitOnSkipped ends the project when a dependency makes this process impossible.
	ExitOnSkipped bool `json:"exitOnSkipped,omitempty"`
}

// A Command is a program with its arguments (Exec), or a line for the shell (Shell).
// Exactly one of the two is set.
type Command struct {
	Exec  []Text `json:"exec,omitempty"`
	Shell Text   `json:"shell,omitempty"`
	// ShellArgv is the shell, to which the line is appended; default: "bash -c".
	ShellArgv []string `json:"shellArgv,omitempty"`
}

// A ConfigTest is a command by which a server tests its own configuration without
// serving. It runs with the files and the rights of the process, but without its data
// and without a network.
type ConfigTest struct {
	Command Command `json:"command"`
	// Inconclusive are texts of its output by which a failure proves nothing, since it
	// is due to the test's surroundings: a host name that only a network resolves.
	Inconclusive []string `json:"inconclusive,omitempty"`
	// Passes are texts of its output by which a failure counts as a success. A server
	// that has no test mode is given an unknown directive after all others, so that it
	// ends there.
	Passes []string `json:"passes,omitempty"`
	// Fails are texts of its output by which the server would not start, although the
	// test has exited with 0.
	Fails []string `json:"fails,omitempty"`
}

// A Daemon is what a command launches that ends itself.
type Daemon struct {
	LaunchTimeout *Duration `json:"launchTimeout,omitempty"` // for the command; nil: it may take any time
}

// Shutdown says how a process is told to stop.
type Shutdown struct {
	Command    *Command  `json:"command,omitempty"`    // run first; the signal is sent only if the process still lives after it
	Keys       string    `json:"keys,omitempty"`       // typed first, in place of a command, as ParseTyped reads them
	Signal     Signal    `json:"signal,omitempty"`     // default: SIGTERM
	Timeout    *Duration `json:"timeout,omitempty"`    // from the signal to SIGKILL; nil: 10s
	ParentOnly bool      `json:"parentOnly,omitempty"` // send the signal to the process alone, not to its group
}

// KillMode says what is killed when a process has stopped.
type KillMode string

// The values of KillMode; the empty one means KillGroup.
const (
	KillGroup   KillMode = "group"   // every descendant
	KillProcess KillMode = "process" // the process alone; its children may outlive a restart
)

// Limits bound what a process may use; the zero value bounds nothing.
type Limits struct {
	Memory int64   `json:"memory,omitempty"` // bytes
	CPUs   float64 `json:"cpus,omitempty"`
	Pids   int64   `json:"pids,omitempty"`
	NoFile uint64  `json:"nofile,omitempty"`
	IO     IO      `json:"io,omitzero"`
	// Rlimits are further limits of each process, as RlimitNames has them.
	Rlimits map[string]Rlimit `json:"ulimits,omitempty"`
}

// IO bounds how a process uses disks.
type IO struct {
	Weight int     `json:"weight,omitempty"` // beside others at a disk, 1 to 10000; 0: not set
	Max    []IOMax `json:"max,omitempty"`
}

// An IOMax is how much may go to and from one disk in a second; 0 is no bound.
type IOMax struct {
	Path       Text  `json:"path"` // the device of the disk, or anything that is on it
	ReadBytes  int64 `json:"readBytes,omitempty"`
	WriteBytes int64 `json:"writeBytes,omitempty"`
	ReadOps    int64 `json:"readOps,omitempty"`
	WriteOps   int64 `json:"writeOps,omitempty"`
	Pos        Pos   `json:"pos,omitzero"`
}

// A File is written before a process starts.
type File struct {
	Path    Text `json:"path,omitempty"` // unset for Project.Files
	Content Text `json:"content,omitempty"`
	// Escape lists the characters that get a backslash in front of them where a secret
	// or another part of Content that is not literal has been resolved. If it is set, a
	// line end in such a part is an error.
	Escape string `json:"escape,omitempty"`
	// Source, instead of Content, is a file of the user's that the process finds at
	// Path: as a link, or as a copy with Mode and Owner if the user of the process may
	// not read the original.
	Source Text `json:"source,omitempty"`
	// Link, instead of Content, makes one of Project.Files a link to a place where nothing
	// need be; Folder makes it an empty folder.
	Link   Text `json:"link,omitempty"`
	Folder bool `json:"folder,omitempty"`
	// Pos is where the user has written the content, line by line; nil: the content is
	// our own.
	Pos *Passage `json:"pos,omitempty"`

	Mode  string `json:"mode,omitempty"`  // octal; default: "0644"
	Owner string `json:"owner,omitempty"` // default: the process's user
}

// A Dir is made before a process starts. One that exists keeps its content.
type Dir struct {
	Path  Text   `json:"path"`
	Mode  string `json:"mode,omitempty"`  // octal; default: "0755"
	Owner string `json:"owner,omitempty"` // default: the process's user
	// Keep says that the content must outlive the container, on a volume. The content
	// of other folders can be made again.
	Keep bool `json:"keep,omitempty"`
}

// A PackageRef names a package by its attribute: "python3",
// "cudaPackages_12_8.cudatoolkit".
type PackageRef struct {
	Attr string `json:"attr"`
	Pos  Pos    `json:"pos,omitzero"`
}
