package rundir

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/secret"
)

// maxPath is how long a socket's path may be. The kernel takes 107 bytes;
// services put their own sockets one level deeper than we do.
const maxPath = 100

// maxName is how long "/<key>.sock" can be.
const maxName = 1 + 24 + 9 + 5

// An Env is what decides where things are.
type Env struct {
	InContainer bool // one project, at fixed places
	UID         int

	Socket     string // names the control socket: --socket, NIX2GPU_SOCKET or PC_SOCKET_PATH
	State      string // names the state folder
	RuntimeDir string // XDG_RUNTIME_DIR
	StateHome  string // XDG_STATE_HOME
	Home       string

	// Root is put before the absolute paths that are fixed, in tests.
	Root string
}

// FromEnv fills an Env from environment variables, as getenv gives them, for
// whoever runs this program.
func FromEnv(getenv func(string) string, inContainer bool) Env {
	return Env{
		InContainer: inContainer,
		UID:         os.Geteuid(),
		Socket:      cmp.Or(getenv("NIX2GPU_SOCKET"), getenv("PC_SOCKET_PATH")),
		State:       getenv("NIX2GPU_STATE"),
		RuntimeDir:  getenv("XDG_RUNTIME_DIR"),
		StateHome:   getenv("XDG_STATE_HOME"),
		Home:        getenv("HOME"),
	}
}

// A Layout is the places of one project. All paths are absolute.
type Layout struct {
	Key    string // names the project on this machine
	Socket string // the control socket
	Run    string // what services keep for one run: their sockets and pid files

	// Secrets is for files with secrets in them, for one run: in memory, and on
	// no disk. "": there is no such place.
	Secrets string

	State    string // what outlives a run
	Logs     string // in State
	Packages string // in State: the farm of package links
	Baked    string // the farm that an image was built with; "" outside of a container
	Shipped  string // the encrypted secrets that an image was built with; "" outside of a container
	Log      string // in State: the supervisor's own
	Project  string // in State: the project of the last run, without its secrets
	LockFile string // in State, while a supervisor runs
	Journal  string // in State, while a supervisor runs

	base  string // the folder of sockets and run locks, ours alone
	locks []lockFile
	uid   int
}

// A lockFile is one of the locks that a supervisor holds.
type lockFile struct {
	path string
	what lockKind
	says string // its second line: whose it is
}

// Locate says where the project of a container lives whose definition is in
// the folder root. Container may be "" for the only one of a folder.
func Locate(e Env, container, root string) Layout {
	root = absolute(root)
	name := cmp.Or(container, filepath.Base(root))
	l := Layout{Key: Key(container, root), uid: e.UID}
	owner := fmt.Sprintf("%q in %s", name, root)

	l.base = e.base()
	// Whoever cleans the checkout takes the state folder's lock away; this one
	// stays. That one is what two users have in common.
	l.locks = []lockFile{{filepath.Join(l.base, l.Key+".lock"), runLock, owner}}
	l.Socket = filepath.Join(l.base, l.Key+".sock")
	l.Run = filepath.Join(e.runBase(l.base), l.Key)
	l.State = e.stateFolder(name, root, l.Key)
	l.Secrets = e.secretsFolder(l.base, l.Key)
	if e.InContainer {
		l.Socket = filepath.Join(l.base, "control.sock")
		l.Run = e.runBase(l.base)
		l.Baked = filepath.Join("/", e.Root, "opt/nix2gpu/pkgs")
		l.Shipped = filepath.Join("/", e.Root, "etc/nix2gpu/secrets")
	}
	if e.Socket != "" {
		l.Socket = absolute(e.Socket)
		l.locks = append(l.locks, lockFile{l.Socket + ".lock", socketLock, owner})
	}
	if e.State != "" {
		l.State = absolute(e.State)
	}
	l.Logs = filepath.Join(l.State, "logs")
	l.Packages = filepath.Join(l.State, "packages")
	l.Log = filepath.Join(l.State, "supervisor.log")
	l.Project = filepath.Join(l.State, "project.json")
	l.LockFile = filepath.Join(l.State, "supervisor.lock")
	l.Journal = filepath.Join(l.State, "journal")
	l.locks = append(l.locks, lockFile{l.LockFile, stateLock, ""})
	return l
}

// Key names a project: readable first, then a hash, so that it is short and
// unique whatever the names are.
func Key(container, root string) string {
	root = absolute(root)
	container = cmp.Or(container, filepath.Base(root))
	sum := sha256.Sum256([]byte(root + "\x00" + container))
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-', r == '.':
			return r
		}
		return '-'
	}, container)
	if name = strings.TrimLeft(name, ".-"); name == "" {
		name = "project"
	}
	return name[:min(len(name), 24)] + "-" + hex.EncodeToString(sum[:4])
}

// base is the folder of sockets: the machine's if we may, else the user's.
func (e Env) base() string {
	run := filepath.Join("/", e.Root, "run/nix2gpu")
	if e.UID == 0 || e.InContainer && owned(run, e.UID) {
		return run
	}
	if e.RuntimeDir != "" && filepath.IsAbs(e.RuntimeDir) {
		if dir := filepath.Join(e.RuntimeDir, "nix2gpu"); len(dir)+maxName < maxPath {
			return dir
		}
	}
	// Not TMPDIR: it may differ between two terminals.
	return filepath.Join("/", e.Root, "tmp", "nix2gpu-"+strconv.Itoa(e.UID))
}

// runBase is the folder of the services' run folders. Under root they may
// belong to other users, who must not pass through the folder of sockets.
func (e Env) runBase(base string) string {
	if base == filepath.Join("/", e.Root, "run/nix2gpu") {
		return filepath.Join("/", e.Root, "run/nix2gpu-services")
	}
	return filepath.Join(base, "services")
}

// secretsFolder is beside the run folders where those are in memory, else in
// the machine's shared memory. Under root other users pass through it, to what
// is theirs.
func (e Env) secretsFolder(base, key string) string {
	beside := filepath.Join(base, "secrets")
	if base == filepath.Join("/", e.Root, "run/nix2gpu") {
		beside = filepath.Join("/", e.Root, "run/nix2gpu-secrets")
	}
	shared := filepath.Join("/", e.Root, "dev/shm", "nix2gpu-secrets-"+strconv.Itoa(e.UID))
	for _, dir := range []string{beside, shared} {
		if secret.InMemory(dir) && writable(dir) {
			return filepath.Join(dir, key)
		}
	}
	return ""
}

func (e Env) stateFolder(name, root, key string) string {
	if e.InContainer {
		for _, dir := range []string{"var/lib/nix2gpu", "run/nix2gpu-state"} {
			if dir = filepath.Join("/", e.Root, dir); writable(dir) {
				return dir
			}
		}
		return filepath.Join("/", e.Root, "tmp", "nix2gpu-"+strconv.Itoa(e.UID)+"-state")
	}
	name = strings.ReplaceAll(name, "/", "-")
	beside := filepath.Join(root, ".nix2gpu", name)
	if writable(beside) {
		return beside
	}
	home := e.StateHome
	if home == "" || !filepath.IsAbs(home) {
		if e.Home == "" {
			return beside // Prepare says what is wrong with it
		}
		home = filepath.Join(e.Home, ".local/state")
	}
	return filepath.Join(home, "nix2gpu", key)
}

// writable reports whether we could make files in dir, once it is made.
func writable(dir string) bool {
	for {
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if err != unix.ENOENT || dir == "/" || dir == "." {
			return err == nil
		}
		dir = filepath.Dir(dir)
	}
}

// owned reports whether dir is a folder of uid's.
func owned(dir string, uid int) bool {
	var st unix.Stat_t
	return unix.Lstat(dir, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == uid
}

// absolute also resolves links, so that a project has one name however it is
// reached.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
