package container_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/gputest"
	"nix2gpu/project"
)

// A gpuFake is a container in a folder to which a runtime has lent a GPU.
type gpuFake struct {
	*fake
	execs   []string // what was run
	cards   string   // what nvidia-smi answers
	execErr error
}

func newGPU(t *testing.T) *gpuFake {
	t.Helper()
	f := &gpuFake{fake: newFake(t), cards: "0, GPU-aa11, 81559, 1, 81558, 1B:00.0, 535.104.05, Disabled, 9.0, NVIDIA H100 80GB HBM3\n"}
	f.Project.Container.CUDA = "cudaPackages_12_8"
	f.Exec = func(ctx context.Context, environ []string, argv ...string) (string, int, error) {
		f.execs = append(f.execs, strings.TrimPrefix(argv[0], f.Root))
		switch {
		case ctx.Err() != nil:
			return "", 0, ctx.Err()
		case f.execErr != nil:
			return "", 0, f.execErr
		case strings.HasSuffix(argv[0], "nvidia-smi"):
			return f.cards, 0, nil
		}
		return "", 0, nil
	}
	if err := os.MkdirAll(f.path("/etc/ld.so.conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	return f
}

// lend puts the driver's libraries, versioned and without links, into a folder.
func (f *gpuFake) lend(dir, version string) {
	f.t.Helper()
	for _, soname := range []string{"libcuda.so.1", "libnvidia-ml.so.1"} {
		f.write(dir+"/"+strings.TrimSuffix(soname, "1")+version, string(gputest.Library(soname)))
	}
	f.write("/dev/nvidia0", "")
	f.write("/dev/nvidiactl", "")
	f.write("/usr/bin/nvidia-smi", "")
	f.chmod("/usr/bin/nvidia-smi", 0o755)
	f.Environ = append(f.Environ, "PATH=/usr/bin")
}

func (f *gpuFake) chmod(name string, mode os.FileMode) {
	f.t.Helper()
	if err := os.Chmod(f.path(name), mode); err != nil {
		f.t.Fatal(err)
	}
}

func (f *gpuFake) ldconfig() {
	f.write("/sbin/ldconfig", "")
	f.chmod("/sbin/ldconfig", 0o755)
}

func (f *gpuFake) linked(name string) string {
	f.t.Helper()
	to, err := os.Readlink(f.path(name))
	if err != nil {
		f.t.Errorf("%v\n%s", err, f.log.String())
	}
	return to
}

func (f *gpuFake) wantLog(text string) {
	f.t.Helper()
	if !strings.Contains(f.log.String(), text) {
		f.t.Errorf("the boot log lacks %q:\n%s", text, f.log.String())
	}
}

const debian = "/usr/lib/x86_64-linux-gnu"

// CDI lends versioned libraries without links, and leaves the cache as it was.
func TestGPULinks(t *testing.T) {
	for _, dir := range []string{debian, "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib"} {
		t.Run(dir, func(t *testing.T) {
			f := newGPU(t)
			f.lend(dir, gputest.Driver)
			f.ldconfig()
			f.write("/etc/ld.so.cache", "glibc-ld.so.cache1.1\x00/usr/lib/libother.so.1\x00")
			f.run()
			for link, want := range map[string]string{"libcuda.so.1": "libcuda.so." + gputest.Driver, "libnvidia-ml.so.1": "libnvidia-ml.so." + gputest.Driver, "libcuda.so": "libcuda.so.1"} {
				if to := f.linked(dir + "/" + link); to != want {
					t.Errorf("%s leads to %q, want %q", link, to, want)
				}
			}
			if conf := f.read("/etc/ld.so.conf.d/zz-nix2gpu-gpu.conf"); conf != dir+"\n" {
				t.Errorf("ldconfig is told of %q", conf)
			}
			if !slices.Equal(f.execs, []string{"/sbin/ldconfig"}) || f.env("LD_LIBRARY_PATH") != "" {
				t.Errorf("ran %q, LD_LIBRARY_PATH=%q", f.execs, f.env("LD_LIBRARY_PATH"))
			}
			if len(f.told) > 0 {
				t.Errorf("told: %q", f.told)
			}
			// What ldconfig has made of it needs nothing more.
			f.write("/etc/ld.so.cache", "\x00"+dir+"/libcuda.so.1\x00"+dir+"/libnvidia-ml.so.1\x00")
			f.execs = nil
			first := f.tree()
			f.run()
			if len(f.execs) > 0 || f.tree() != first {
				t.Errorf("the second time ran %q, and left\n%s\nthe first\n%s", f.execs, f.tree(), first)
			}
		})
	}
}

// Without ldconfig, or where it fails, services get LD_LIBRARY_PATH.
func TestGPUWithoutLdconfig(t *testing.T) {
	f := newGPU(t)
	f.lend(debian, gputest.Driver)
	f.Environ = append(f.Environ, "LD_LIBRARY_PATH=/opt/lib")
	f.run()
	f.run()
	if got := f.env("LD_LIBRARY_PATH"); got != debian+":/opt/lib" {
		t.Errorf("LD_LIBRARY_PATH=%q", got)
	}
	if env := f.read("/etc/environment"); !strings.Contains(env, `LD_LIBRARY_PATH="`+debian+`:/opt/lib"`) {
		t.Errorf("who logs in has\n%s", env)
	}

	f = newGPU(t)
	f.lend(debian, gputest.Driver)
	f.ldconfig()
	f.execErr = errors.New("exec format error")
	f.run()
	if got := f.env("LD_LIBRARY_PATH"); got != debian {
		t.Errorf("where ldconfig fails: LD_LIBRARY_PATH=%q", got)
	}
	f.wantLog("exec format error")
}

// What a runtime has done already is left as it is: libnvidia-container makes
// the links and runs ldconfig.
func TestGPULegacyRuntime(t *testing.T) {
	f := newGPU(t)
	f.lend(debian, gputest.Driver)
	f.ldconfig()
	for _, soname := range []string{"libcuda.so.1", "libnvidia-ml.so.1"} {
		if err := os.Symlink(strings.TrimSuffix(soname, "1")+gputest.Driver, f.path(debian+"/"+soname)); err != nil {
			t.Fatal(err)
		}
	}
	f.write("/etc/ld.so.cache", "\x00"+debian+"/libcuda.so.1\x00"+debian+"/libnvidia-ml.so.1\x00")
	f.run()
	if len(f.execs) > 0 || f.env("LD_LIBRARY_PATH") != "" {
		t.Errorf("ran %q, LD_LIBRARY_PATH=%q", f.execs, f.env("LD_LIBRARY_PATH"))
	}
	if _, err := os.Lstat(f.path("/etc/ld.so.conf.d/zz-nix2gpu-gpu.conf")); err == nil {
		t.Error("the loader was configured anew")
	}
	// But for the name without a version, which ldconfig makes for nobody.
	if to := f.linked(debian + "/libcuda.so"); to != "libcuda.so.1" {
		t.Errorf("libcuda.so leads to %q", to)
	}
}

// Debian's ldconfig names a folder by the link /lib that leads to it.
func TestGPUCacheOfMergedUsr(t *testing.T) {
	f := newGPU(t)
	f.lend(debian, gputest.Driver)
	f.ldconfig()
	f.run()
	f.execs = nil
	f.write("/etc/ld.so.cache", "\x00/lib/x86_64-linux-gnu/libcuda.so.1\x00/lib/x86_64-linux-gnu/libnvidia-ml.so.1\x00")
	f.run()
	if len(f.execs) == 0 {
		t.Error("a library of another folder was taken for the driver's")
	}
	f.execs = nil
	if err := os.Symlink("usr/lib", f.path("/lib")); err != nil {
		t.Fatal(err)
	}
	f.run()
	if len(f.execs) > 0 {
		t.Errorf("the loader knows it, and yet it ran %q", f.execs)
	}
}

// A link of an earlier driver that leads nowhere now is replaced; a library of
// the image's own in the driver's place is named.
func TestGPUOldLinks(t *testing.T) {
	f := newGPU(t)
	f.lend(debian, gputest.Driver)
	if err := os.Symlink("libcuda.so.535.104.05", f.path(debian+"/libcuda.so.1")); err != nil {
		t.Fatal(err)
	}
	f.run()
	if to := f.linked(debian + "/libcuda.so.1"); to != "libcuda.so."+gputest.Driver {
		t.Errorf("libcuda.so.1 leads to %s", to)
	}
	f = newGPU(t)
	f.lend(debian, gputest.Driver)
	f.write(debian+"/libcuda.so.1", string(gputest.Library("libcuda.so.1")))
	f.run()
	f.wantLog("leave libcuda out of the image")
}

func TestNoGPU(t *testing.T) {
	f := newGPU(t)
	f.Project.Container.CUDA = ""
	f.run()
	for _, word := range []string{"GPU", "nvidia", "NVIDIA"} {
		if strings.Contains(f.log.String(), word) {
			t.Errorf("none is wanted, and the boot log has\n%s", f.log.String())
		}
	}
	if len(f.execs) > 0 || len(f.told) > 0 {
		t.Errorf("ran %q, told %q", f.execs, f.told)
	}

	f.Project.Services["api"] = &project.Service{ID: "api", GPUs: &project.GPUs{Count: 1}}
	f.run()
	f.wantLog(`msg="there is no GPU here, and services need one" hint="run with --gpus all, or with --device nvidia.com/gpu=all"`)
	f.Environ = append(f.Environ, "NVIDIA_VISIBLE_DEVICES=none")
	f.run()
	f.wantLog(`hint="-e NVIDIA_VISIBLE_DEVICES=all"`)
	f.write("/dev/nvidia0", "")
	f.run()
	f.wantLog("/dev/nvidia0: the devices are here, and the driver's libraries are not")
	if len(f.told) > 0 {
		t.Errorf("told: %q", f.told)
	}
}

// Half of it is there: libraries without a device, devices without nvidia-smi.
func TestHalfAGPU(t *testing.T) {
	f := newGPU(t)
	f.lend(debian, gputest.Driver)
	if err := os.Remove(f.path("/usr/bin/nvidia-smi")); err != nil {
		t.Fatal(err)
	}
	f.run()
	f.wantLog("add utility to NVIDIA_DRIVER_CAPABILITIES")
	if err := os.Remove(f.path("/dev/nvidia0")); err != nil {
		t.Fatal(err)
	}
	f.run()
	f.wantLog("the driver's libraries are here, and no device is")
}

// GKE's nvidia-smi is where PATH does not lead.
func TestGPUPath(t *testing.T) {
	f := newGPU(t)
	f.lend("/usr/local/nvidia/lib64", gputest.Driver)
	if err := os.Remove(f.path("/usr/bin/nvidia-smi")); err != nil {
		t.Fatal(err)
	}
	f.write("/usr/local/nvidia/bin/nvidia-smi", "")
	f.chmod("/usr/local/nvidia/bin/nvidia-smi", 0o755)
	f.run()
	f.run()
	if path := f.env("PATH"); !strings.HasSuffix(path, ":/usr/local/nvidia/bin") || strings.Count(path, "nvidia") != 1 {
		t.Errorf("PATH=%s", path)
	}
}

// CUDA's compatibility libraries are for a driver that is older, with cards of
// data centres, and where NVIDIA's runtime has not seen to them.
func TestCUDACompat(t *testing.T) {
	const compat = "/usr/local/cuda/compat"
	for _, c := range []struct {
		name, driver, card string
		prepare            func(f *gpuFake)
		want, log          string
		asked              bool
	}{
		{"older driver", "535.104.05", "NVIDIA H100 80GB HBM3", nil, compat, "services use the compatibility libraries", true},
		{"a player's card", "535.104.05", "NVIDIA GeForce RTX 4090", nil, "", "are for cards of data centres, not for GPU 0 (NVIDIA GeForce RTX 4090)", true},
		{"newer driver", "580.65.06", "NVIDIA H100 80GB HBM3", nil, "", "", false},
		{"the same driver", "570.86.15", "NVIDIA H100 80GB HBM3", nil, "", "", false},
		{"the runtime's hook", "535.104.05", "NVIDIA H100 80GB HBM3", func(f *gpuFake) { f.write("/etc/ld.so.conf.d/00-compat-12345.conf", compat+"\n") }, "", "", false},
		{"set by the user", "535.104.05", "NVIDIA H100 80GB HBM3", func(f *gpuFake) { f.Environ = append(f.Environ, "LD_LIBRARY_PATH="+compat) }, compat, "", false},
		{"nvidia-smi does not answer", "535.104.05", "", func(f *gpuFake) { f.execErr = context.DeadlineExceeded }, "", "does not answer within", true},
		{"the kernel's version counts", "570.86.15", "NVIDIA H100 80GB HBM3", func(f *gpuFake) {
			f.write("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build\nGCC version:\n")
		}, compat, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newGPU(t)
			f.lend(debian, c.driver)
			for _, soname := range []string{"libcuda.so.1", "libnvidia-ml.so.1"} {
				if err := os.Symlink(strings.TrimSuffix(soname, "1")+c.driver, f.path(debian+"/"+soname)); err != nil {
					t.Fatal(err)
				}
			}
			f.write("/etc/ld.so.cache", "\x00"+debian+"/libcuda.so.1\x00"+debian+"/libnvidia-ml.so.1\x00")
			f.write(compat+"/libcuda.so.570.133.20", "")
			f.cards = "0, GPU-aa11, 81559, 1, 81558, 1B:00.0, " + c.driver + ", Disabled, 9.0, " + c.card + "\n"
			if c.prepare != nil {
				c.prepare(f)
			}
			f.run()
			if got := f.env("LD_LIBRARY_PATH"); got != c.want {
				t.Errorf("LD_LIBRARY_PATH=%q, want %q\n%s", got, c.want, f.log.String())
			}
			if asked := len(f.execs) > 0; asked != c.asked {
				t.Errorf("ran %q", f.execs)
			}
			f.wantLog(c.log)
		})
	}
}

// Where a runtime shows more devices than NVIDIA_VISIBLE_DEVICES names, CUDA
// keeps to it; "void" is CDI's word, which lends what is there.
func TestNvidiaVisibleDevices(t *testing.T) {
	for _, c := range []struct {
		value, set, want string
		wsl              bool
	}{
		{value: "all"}, {value: "void"}, {value: ""},
		{value: "none", want: "-1"},
		{value: "1", want: "GPU-bb22"}, {value: "GPU-aa11", want: "GPU-aa11"}, {value: "0,1"},
		{value: "1", set: "0", want: "0"}, {value: "none", set: "0", want: "0"}, // what is set stays
		{value: "1", want: "GPU-bb22", wsl: true}, {value: "0,1", wsl: true}, {value: "all", wsl: true}, // one device for all cards
	} {
		f := newGPU(t)
		f.lend(debian, gputest.Driver)
		f.write("/dev/nvidia1", "")
		if c.wsl {
			for _, node := range []string{"nvidia0", "nvidia1", "nvidiactl"} {
				if err := os.Remove(f.path("/dev/" + node)); err != nil {
					t.Fatal(err)
				}
			}
			f.write("/dev/dxg", "")
		}
		f.cards = ""
		for i, uuid := range []string{"GPU-aa11", "GPU-bb22"} {
			f.cards += fmt.Sprintf("%d, %s, 24564, 1, 24563, 0%d:00.0, %s, Disabled, 8.9, NVIDIA GeForce RTX 4090\n", i, uuid, i, gputest.Driver)
		}
		f.Environ = append(f.Environ, "NVIDIA_VISIBLE_DEVICES="+c.value)
		if c.set != "" {
			f.Environ = append(f.Environ, "CUDA_VISIBLE_DEVICES="+c.set)
		}
		f.run()
		if got := f.env("CUDA_VISIBLE_DEVICES"); got != c.want {
			t.Errorf("%q (WSL: %t): CUDA_VISIBLE_DEVICES=%q, want %q\n%s", c.value, c.wsl, got, c.want, f.log.String())
		}
	}
}

// A TERM while nvidia-smi hangs ends boot, and not only after the limit.
func TestStopWhileDriverHangs(t *testing.T) {
	f := newGPU(t)
	f.lend(debian, gputest.Driver)
	f.write("/dev/nvidia1", "")
	f.Environ = append(f.Environ, "NVIDIA_VISIBLE_DEVICES=1")
	ctx, cancel := context.WithCancel(t.Context())
	f.Exec = func(ctx context.Context, _ []string, _ ...string) (string, int, error) {
		cancel()
		<-ctx.Done()
		return "", 0, ctx.Err()
	}
	if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	if _, err := os.Stat(filepath.Join(f.Root, "tmp/process-compose.yaml")); err == nil {
		t.Error("boot went on")
	}
}
