package container_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"nix2gpu/container"
	"nix2gpu/internal/gputest"
	"nix2gpu/project"
)

// FuzzEnvironment boots with any environment, limits and answers of nvidia-smi:
// nothing of that may end boot. Whoever logs in gets the container's variables with
// their values, no secret among them, and no line of them is a command; what becomes
// a key for sshd is one.
func FuzzEnvironment(f *testing.F) {
	f.Add("SSH_PUBLIC_KEYS="+adaKey+`\n`+bobKey+"\nnot a key\x00CITY=Köln 'old' $(id)", "100000 100000", "64", "")
	f.Add("PUBLIC_KEY=command=\"x\" "+adaKey+"\x00PUBLIC_KEY=twice\x00ROOT_PASSWORD=x", "max 100000", "max", "0, GPU-aa11, 81559, 1, 81558, 1B:00.0, 535.104.05, Disabled, 9.0, NVIDIA H100 80GB HBM3\n")
	f.Add("NVIDIA_VISIBLE_DEVICES=GPU-aa11,MIG-1\x00NVIDIA_DRIVER_CAPABILITIES=\x00CUDA_VISIBLE_DEVICES=\x00NVIDIA_REQUIRE_CUDA=cuda>=12", "50000 100000", "1", "x")
	f.Add("OMP_NUM_THREADS=-1\x00GOMAXPROCS=many\x00PATH=\x00PATH=/a:'b'\x00=x\x00x\x00A B=c\x00PS1=$(id)\x00LD_LIBRARY_PATH=:", "-1 0", "-5", "No devices were found")
	f.Add("API_TOKEN=t0psecret\x00URL=https://me:hunter22@example.org\x00NIX2GPU_COOKIE_1=x\x00LINES=\"\\'#\x00E=\x00TWO=a\nb", "1e309 1", "99999999999999999999", "")
	f.Add("OPTIND=x\x00IFS=ab\x00UID=7\x00PPID=1\x00ENV=/x\x00LANG=ä\xff", "NaN 1", "", "")
	f.Fuzz(func(t *testing.T, environ, cpus, pids, smi string) {
		m := newGPU(t)
		m.Environ, m.cards = strings.Split(environ, "\x00"), smi
		m.write("/sys/fs/cgroup/cpu.max", cpus)
		m.write("/sys/fs/cgroup/pids.max", pids)
		m.write(debian+"/libcuda.so."+gputest.Driver, string(gputest.Library("libcuda.so.1")))
		for _, name := range []string{"/dev/nvidia0", "/dev/nvidia1", "/usr/local/nvidia/bin/nvidia-smi"} {
			m.write(name, "")
			m.chmod(name, 0o755)
		}
		given := slices.Clone(m.Environ)
		m.run()
		first, out := m.tree(), slices.Sorted(slices.Values(m.Environ))
		m.run()
		if diff := cmp.Diff(strings.Split(first, "\n"), strings.Split(m.tree(), "\n")); diff != "" {
			t.Errorf("the second time leaves another tree:\n%s", diff)
		}
		if diff := cmp.Diff(out, slices.Sorted(slices.Values(m.Environ))); diff != "" {
			t.Errorf("the second time leaves another environment:\n%s", diff)
		}

		for _, file := range []string{"/run/sshd/authorized_keys", "/root/.ssh/authorized_keys"} {
			data, err := os.ReadFile(m.path(file))
			if err != nil {
				continue // no key was given
			}
			for line := range strings.Lines(string(data)) {
				if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil {
					t.Errorf("%s has the line %q: %v", file, line, err)
				}
			}
		}
		for _, name := range container.ThreadVars() {
			set := slices.ContainsFunc(given, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
			if value := m.env(name); !set && value != "" && strings.Trim(value, "0123456789") != "" {
				t.Errorf("%s=%q", name, value)
			}
		}
		loggedIn(t, m)
	})
}

// loggedIn wants a login shell to have the container's variables as they are, and
// none that is secret.
func loggedIn(t *testing.T, m *gpuFake) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	profile := m.path("/etc/profile.d/nix2gpu.sh")
	cmd := exec.CommandContext(t.Context(), sh, "-c", `. "$0"; exec "$1" -0`, profile, "/usr/bin/env")
	cmd.Env, cmd.Dir = []string{}, t.TempDir()
	printed, err := cmd.Output()
	if err != nil {
		t.Errorf("the shell says %v of\n%s", err, m.read("/etc/profile.d/nix2gpu.sh"))
		return
	}
	if left, _ := os.ReadDir(cmd.Dir); len(left) > 0 {
		t.Errorf("logging in made %v", left)
	}
	got := map[string]string{}
	for kv := range strings.SplitSeq(string(printed), "\x00") {
		name, value, _ := strings.Cut(kv, "=")
		got[name] = value
	}
	want := map[string]string{}
	for _, kv := range m.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			want[name] = value // the last counts
		}
	}
	shells := []string{"PWD", "OLDPWD", "SHLVL", "_", "PS1"}
	for name, value := range got {
		switch have, ok := want[name]; {
		case name == "" || slices.Contains(shells, name):
		case !ok || have != value:
			t.Errorf("logged in, %s is %q; in the container %q", name, value, have)
		case value != "" && (project.SecretName(name) || project.MaskString(value) != value):
			t.Errorf("logged in, %s=%q is there", name, value)
		}
	}
	if text := m.read("/etc/environment"); strings.Count(text, "\n") > len(want)+2 {
		t.Errorf("/etc/environment has lines that are no variables:\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(m.Root, "run/sshd/environment.conf")); err != nil {
		t.Error(err)
	}
}
