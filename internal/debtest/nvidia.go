package debtest

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha1"
	"debug/elf"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"
)

// NVIDIA makes a repository with the layout of NVIDIA's: flat, a Release without the
// name of a suite, Packages plain and in gzip, and packages whose last member is a
// signature. machine is "x86_64" or "sbsa".
func NVIDIA(tb testing.TB, key *Key, date time.Time, machine string, debs ...Deb) Tree {
	tb.Helper()
	tree := Tree{}
	var list bytes.Buffer
	for _, d := range debs {
		d.Signed = true
		d.Compression = cmp.Or(d.Compression, "gz")
		data := d.Bytes(tb)
		tree[d.File()] = data
		fmt.Fprintf(&list, "%sFilename: ./%s\nSize: %d\nMD5sum: %x\nSHA256: %s\n\n", d.Control(), d.File(), len(data), md5.Sum(data), sum(data))
	}
	tree["Packages"], tree["Packages.gz"] = list.Bytes(), Compress(tb, "gz", list.Bytes())
	var b bytes.Buffer
	fmt.Fprintf(&b, "Origin: NVIDIA\nLabel: NVIDIA CUDA\nArchitecture: %s\nDate: %s\n", machine, date.UTC().Format(time.RFC1123Z))
	digests := map[string]func([]byte) string{
		"MD5Sum": func(p []byte) string { return fmt.Sprintf("%x", md5.Sum(p)) }, "SHA1": func(p []byte) string { return fmt.Sprintf("%x", sha1.Sum(p)) }, "SHA256": sum,
	}
	for _, kind := range []string{"MD5Sum", "SHA1", "SHA256"} {
		fmt.Fprintf(&b, "%s:\n", kind)
		for _, name := range []string{"Packages", "Packages.gz"} {
			fmt.Fprintf(&b, " %s %16d %s\n", digests[kind](tree[name]), len(tree[name]), name)
		}
	}
	b.WriteString("Acquire-By-Hash: no\n")
	tree["InRelease"] = Archive{Keys: []*Key{key}, Date: date}.sign(tb, b.Bytes())
	return tree
}

// CUDA makes stand-ins for the packages of a version of CUDA, "12.8", for amd64. Their
// libraries can be loaded, and do nothing.
func CUDA(version string) []Deb {
	dash := strings.ReplaceAll(version, ".", "-")
	major, _, _ := strings.Cut(version, ".")
	root := "usr/local/cuda-" + version
	lib := root + "/targets/x86_64-linux/lib/"
	common := "cuda-toolkit-" + dash + "-config-common"
	part := func(name, depends string, sonames ...string) Deb {
		d := Deb{Name: name + "-" + dash, Version: version + ".90-1", Arch: "amd64", Depends: depends}
		for _, s := range sonames {
			d.Entries = append(d.Entries, File(lib+s+".90", Library(s, elf.EM_X86_64)), Symlink(lib+s, s+".90"))
		}
		return d
	}
	cudart := part("cuda-cudart", common, "libcudart.so."+major)
	cudart.Entries = append(cudart.Entries, Symlink(root+"/lib64", "targets/x86_64-linux/lib"))
	nvcc := part("cuda-nvcc", "cuda-cudart-dev-"+dash)
	nvcc.Entries = []Entry{Exec(root+"/bin/nvcc", "#!/bin/sh\necho Cuda compilation tools, release "+version+"\n")}
	dev := part("cuda-cudart-dev", "cuda-cudart-"+dash)
	dev.Entries = []Entry{File(root+"/targets/x86_64-linux/include/cuda.h", "/* cuda */\n"), Symlink(root+"/include", "targets/x86_64-linux/include"),
		File(lib+"stubs/libcuda.so", Library("libcuda.so.1", elf.EM_X86_64))}
	compat := part("cuda-compat", "")
	compat.Entries = []Entry{File(root+"/compat/libcuda.so.1", Library("libcuda.so.1", elf.EM_X86_64))}
	beside := func(name, version, soname string) Deb {
		return Deb{Name: name, Version: version, Arch: "amd64", Entries: []Entry{File(path.Join("usr/lib/x86_64-linux-gnu", soname), Library(soname, elf.EM_X86_64))}}
	}
	debs := []Deb{
		{Name: common, Version: version + ".90-1", Depends: "cuda-toolkit-config-common"},
		{Name: "cuda-toolkit-config-common", Version: version + ".90-1", Entries: []Entry{File("etc/ld.so.conf.d/000_cuda.conf", "/usr/local/cuda/targets/x86_64-linux/lib\n")}},
		cudart, dev, nvcc, compat,
		part("cuda-nvrtc", common, "libnvrtc.so."+major),
		part("libcublas", common, "libcublas.so."+major, "libcublasLt.so."+major),
		part("libcufft", common, "libcufft.so.11"),
		part("libcufile", common, "libcufile.so.0"),
		part("libcurand", common, "libcurand.so.10"),
		part("libcusolver", fmt.Sprintf("libcublas-%s, libcusparse-%s", dash, dash), "libcusolver.so.11"),
		part("libcusparse", common+", libnvjitlink-"+dash, "libcusparse.so."+major),
		part("libnvjitlink", common, "libnvJitLink.so."+major),
		part("cuda-compiler", "cuda-nvcc-"+dash),
		part("cuda-libraries", fmt.Sprintf("cuda-cudart-%s, libcublas-%s", dash, dash)),
		part("cuda-libraries-dev", "cuda-cudart-dev-"+dash),
		part("cuda-runtime", "cuda-libraries-"+dash+", cuda-drivers (>= 570)"),
		beside("libcudnn9-cuda-"+major, "9.8.0.87-1", "libcudnn.so.9"),
		beside("libnccl2", "2.25.1-1+cuda"+version, "libnccl.so.2"),
		beside("libnccl2", "2.29.7-1+cuda99.0", "libnccl.so.2"),
		{Name: "cuda-drivers", Version: "570.124.06-1", Arch: "amd64", Depends: "libcuda1"},
		beside("libcuda1", "570.124.06-1", "libcuda.so.1"),
	}
	return debs
}
