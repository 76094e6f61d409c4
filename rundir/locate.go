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

// maxPath bounds the path of a socket, in bytes. The kernel allows 107, and services put
// their own sockets one level deeper than ours.
const maxPath = 100

// maxName is the greatest length of "/<key>.sock".
const maxName = 1 + 24 + 9 + 5

// An Env is what decides where the paths of a project are.
type Env struct {
	InContainer bool // there is one project, with fixed paths
	UID         int

	Socket     string // path of the control socket: --socket, NIX2GPU_SOCKET or PC_SOCKET_PATH
	State      string // path of the state folder
	RuntimeDir string // XDG_RUNTIME_DIR
	StateHome  string // XDG_STATE_HOME
	Home       string

	// Root is put before fixed absolute paths. Tests set it.
	Root string
}

// FromEnv makes an Env for the user who runs this program, from environment variables
// that getenv returns.
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

// A Layout holds the paths of a project. All are absolute.
type Layout struct {
	Key    string // identifies the project on this machine
	Socket string // the control socket
	Run    string // for services during one run: their sockets and pid files

	// Secrets is for files with secrets, during one run. It is in memory; "" if there is
	// no such folder.
	Secrets string

	State    string // what outlives a run
	Logs     string // in State
	Packages string // in State: folders of links to packages
	Baked    string // the same in an image; "" outside of a container
	Shipped  string // the encrypted secrets in an image; "" outside of a container
	Log      string // in State: the supervisor's own log
	Project  string // in State: the project of the last run, without its secrets
	Startup  string // in State: how the starts of the last run went
	Planned  string // in State: when services with a schedule were to run next
	LockFile string // in State, while a supervisor runs
	Journal  string // in State, while a supervisor runs

	base  string // folder of sockets and run locks, which only we can enter
	locks []lockFile
	uid   int
}

// A lockFile describes one of the locks that a supervisor holds.
type lockFile struct {
	path string
	what lockKind
	says string // its second line: which project holds it
}

// Locate returns the paths of a project: of the container in the definition in the folder
// root. container may be "" for the only one.
func Locate(e Env, container, root string) Layout {
	root = absolute(root)
	name := cmp.Or(container, filepath.Base(root))
	l := Layout{Key: Key(container, root), uid: e.UID}
	owner := fmt.Sprintf("%q in %s", name, root)

	l.base = e.base()
	// Cleaning the checkout removes the lock in the state folder, but not this one. The
	// one in the state folder is for two users, who don't share this one.
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
	l.Startup = filepath.Join(l.State, "startup.json")
	l.Planned = filepath.Join(l.State, "planned.json")
	l.LockFile = filepath.Join(l.State, "supervisor.lock")
	l.Journal = filepath.Join(l.State, "journal")
	l.locks = append(l.locks, lockFile{l.LockFile, stateLock, ""})
	return l
}

// Key returns the key of a project: readable, and with a hash, so that it is short and
// unique for any names.
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

// base returns the folder of sockets: the machine's if we may use it, or else the user's.
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
	// Not TMPDIR, which may differ between two terminals.
	return filepath.Join("/", e.Root, "tmp", "nix2gpu-"+strconv.Itoa(e.UID))
}

// runBase returns the folder of the services' run folders. Under root these may belong to
// other users, who must not pass through the folder of sockets.
func (e Env) runBase(base string) string {
	if base == filepath.Join("/", e.Root, "run/nix2gpu") {
		return filepath.Join("/", e.Root, "run/nix2gpu-services")
	}
	return filepath.Join(base, "services")
}

// secretsFolder returns a folder beside the run folders if these are in memory, or else
// in the machine's shared memory. Under root, other users pass through it to their
// files.
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
			return beside // Prepare reports what is wrong with it
		}
		home = filepath.Join(e.Home, ".local/state")
	}
	return filepath.Join(home, "nix2gpu", key)
}

// writable reports whether we can make files in dir, or make dir.
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

// absolute returns the absolute path without links, so that a project has the same key
// by whatever path it is reached.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
