package wheel

import (
	"fmt"
	"slices"
	"strings"
)

// A Target is the Python, the architecture and the C library that wheels are for.
type Target struct {
	Python string // python_full_version: "3.11.2"
	Arch   string // Debian's name: "amd64", "arm64"
	Glibc  string // "2.36"
}

// Check returns why wheels can't be chosen for the target; nil if they can.
func (t Target) Check() error {
	if _, _, err := t.minor(); err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(t.Glibc, "%d.%d", &major, &minor); err != nil || major != 2 || minor < 5 || minor > 999 {
		return fmt.Errorf("%q is not a version of glibc such as \"2.36\"", t.Glibc)
	}
	if t.machine() == "" {
		return fmt.Errorf("no wheels are known for %q", t.Arch)
	}
	return nil
}

func (t Target) minor() (minor int, short string, err error) {
	var major int
	if _, err := fmt.Sscanf(t.Python, "%d.%d", &major, &minor); err != nil || major != 3 || minor < 2 || minor > 99 {
		return 0, "", fmt.Errorf("%q is not a version of Python such as \"3.11.2\"", t.Python)
	}
	return minor, fmt.Sprintf("3.%d", minor), nil
}

// Short returns Python's version in the form of folders' names: "3.11".
func (t Target) Short() string {
	_, short, _ := t.minor()
	return short
}

// machine returns Python's name of the architecture.
func (t Target) machine() string {
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[t.Arch]
}

// variable returns the value of a variable in markers.
func (t Target) variable(name, extra string) string {
	switch name {
	case "python_version":
		return t.Short()
	case "python_full_version", "implementation_version":
		return t.Python
	case "os_name":
		return "posix"
	case "sys_platform":
		return "linux"
	case "platform_machine":
		return t.machine()
	case "platform_python_implementation":
		return "CPython"
	case "platform_system":
		return "Linux"
	case "implementation_name":
		return "cpython"
	case "extra":
		return extra
	}
	return ""
}

// platforms returns the platform tags of wheels that run, the best first: for each version
// of glibc that of PEP 600, followed by its older name.
func (t Target) platforms() []string {
	var major, minor int
	fmt.Sscanf(t.Glibc, "%d.%d", &major, &minor)
	oldest := map[string]int{"amd64": 5, "arm64": 17}[t.Arch]
	older := map[int]string{17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
	var out []string
	for n := minor; n >= oldest; n-- {
		out = append(out, fmt.Sprintf("manylinux_2_%d_%s", n, t.machine()))
		if name, ok := older[n]; ok {
			out = append(out, name+"_"+t.machine())
		}
	}
	return append(out, "linux_"+t.machine())
}

// Tags returns the tags of wheels that run on the target, the best first, in the order of
// PEP 425 for CPython.
func (t Target) Tags() []string {
	minor, _, err := t.minor()
	if err != nil {
		return nil
	}
	var out []string
	platforms := t.platforms()
	add := func(python, abi string, platforms ...string) {
		for _, p := range platforms {
			out = append(out, python+"-"+abi+"-"+p)
		}
	}
	cp := func(n int) string { return fmt.Sprintf("cp3%d", n) }
	add(cp(minor), cp(minor), platforms...)
	add(cp(minor), "abi3", platforms...)
	add(cp(minor), "none", platforms...)
	for n := minor - 1; n > 1; n-- {
		add(cp(n), "abi3", platforms...)
	}
	generic := []string{fmt.Sprintf("py3%d", minor), "py3"}
	for n := minor - 1; n >= 0; n-- {
		generic = append(generic, fmt.Sprintf("py3%d", n))
	}
	for _, py := range generic {
		add(py, "none", platforms...)
	}
	add(cp(minor), "none", "any")
	for _, py := range generic {
		add(py, "none", "any")
	}
	return out
}

// A Filename is the parsed name of a wheel's file.
type Filename struct {
	Name    string // normalized
	Version Version
	Build   string   // "", or a text that begins with a digit
	Tags    []string // all combinations: "cp311-cp311-manylinux2014_x86_64"
}

// ParseFilename parses the name of a wheel's file, by PEP 427.
func ParseFilename(file string) (*Filename, error) {
	base, ok := strings.CutSuffix(file, ".whl")
	if !ok || strings.ContainsAny(file, "/\\") {
		return nil, fmt.Errorf("%q is not the name of a wheel", file)
	}
	parts := strings.Split(base, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return nil, fmt.Errorf("%q is not the name of a wheel: it must have 5 or 6 parts", file)
	}
	f := &Filename{Name: Normalize(parts[0])}
	if !IsName(parts[0]) {
		return nil, fmt.Errorf("%q is not the name of a wheel: %q is not a name", file, parts[0])
	}
	var err error
	// In file names, an underscore takes the place of a dash.
	if f.Version, err = ParseVersion(strings.ReplaceAll(parts[1], "_", "-")); err != nil {
		return nil, fmt.Errorf("%q is not the name of a wheel: %w", file, err)
	}
	if len(parts) == 6 {
		if f.Build = parts[2]; f.Build == "" || f.Build[0] < '0' || f.Build[0] > '9' {
			return nil, fmt.Errorf("%q is not the name of a wheel: its build must begin with a digit", file)
		}
	}
	tags := parts[len(parts)-3:]
	if slices.Contains(tags, "") || strings.Count(strings.Join(tags, ""), ".") > 40 {
		return nil, fmt.Errorf("%q is not the name of a wheel: its tags are wrong", file)
	}
	for python := range strings.SplitSeq(tags[0], ".") {
		for abi := range strings.SplitSeq(tags[1], ".") {
			for platform := range strings.SplitSeq(tags[2], ".") {
				f.Tags = append(f.Tags, strings.ToLower(python+"-"+abi+"-"+platform))
			}
		}
	}
	return f, nil
}

// IsPure reports whether the wheel is for every machine.
func (f *Filename) IsPure() bool {
	return !slices.ContainsFunc(f.Tags, func(tag string) bool { return !strings.HasSuffix(tag, "-none-any") })
}

// buildNumber orders builds: "2a" comes before "10".
func (f *Filename) buildNumber() (digits, rest string) {
	end := len(f.Build) - len(strings.TrimLeft(f.Build, "0123456789"))
	return strings.TrimLeft(f.Build[:end], "0"), f.Build[end:]
}
