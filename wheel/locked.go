package wheel

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Locked is one wheel that a container consists of, as nix2gpu.lock has it.
type Locked struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	// Path is where the file lies, as a reference that is relative to the index;
	// "" where the index refers to another host: it is asked again then.
	Path   string   `json:"path,omitempty"`
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	Extras []string `json:"extras,omitempty"`
	// Needs are what it requires with those extras: "werkzeug>=3".
	Needs []string `json:"needs,omitempty"`
	// Programs are what it puts into bin.
	Programs []string `json:"programs,omitempty"`
}

// String is "name version", as messages name a wheel.
func (l Locked) String() string { return l.Name + " " + l.Version }

// Check wants what can be believed: names and paths become those of files and
// URLs.
func (l Locked) Check() error {
	f, err := ParseFilename(l.File)
	switch {
	case err != nil:
		return err
	case f.Name != l.Name || f.Version.String() != l.Version:
		return fmt.Errorf("its file is %q", l.File)
	case l.Size <= 0 || len(l.SHA256) != 64 || strings.Trim(l.SHA256, "0123456789abcdef") != "":
		return fmt.Errorf("it needs size and SHA-256")
	}
	if l.Path != "" {
		u, err := url.Parse(l.Path)
		if err != nil || u.Scheme != "" || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || path.IsAbs(u.Path) || path.Base(u.Path) != l.File {
			return fmt.Errorf("its path is %q", l.Path)
		}
	}
	for _, need := range l.Needs {
		if r, err := ParseRequirement(need); err != nil || r.marker != nil {
			return fmt.Errorf("it needs %q", need)
		}
	}
	if slices.ContainsFunc(l.Programs, func(p string) bool { return p == "" || strings.ContainsAny(p, "/\x00") }) {
		return fmt.Errorf("its programs are %q", l.Programs)
	}
	return nil
}

// IsPure reports whether the wheel is for every machine.
func (l Locked) IsPure() bool {
	f, err := ParseFilename(l.File)
	return err == nil && f.IsPure()
}

// Inspected is a wheel that was looked at.
type Inspected struct {
	Locked   // without what depends on extras
	Metadata *Metadata
}

// A Source has wheels.
type Source interface {
	// Files lists what there is of a project, in all indexes.
	Files(ctx context.Context, project string) ([]File, error)
	// Inspect gets a file and looks at it.
	Inspect(ctx context.Context, f File) (*Inspected, error)
	// Again looks at one that was locked.
	Again(ctx context.Context, l Locked) (*Inspected, error)
}

// BringsCUDA says by its name and version that a wheel brings libraries of
// CUDA, or was built to.
func BringsCUDA(name string, version string) bool {
	if rest, ok := strings.CutPrefix(name, "nvidia-"); ok {
		for _, lib := range []string{"cublas", "cuda-", "cudnn", "cufft", "cufile", "curand", "cusolver", "cusparse", "nccl", "nvjitlink", "nvshmem"} {
			if strings.HasPrefix(rest, lib) {
				return true
			}
		}
	}
	v, err := ParseVersion(version)
	if err != nil {
		return false
	}
	number, ok := strings.CutPrefix(v.Local(), "cu")
	return ok && isNumber(number)
}
