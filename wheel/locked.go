package wheel

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Locked is a wheel in nix2gpu.lock.
type Locked struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	// Path is the file's address relative to the index; "" if the index refers to
	// another host. Then the index is asked again.
	Path   string   `json:"path,omitempty"`
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	Extras []string `json:"extras,omitempty"`
	// Needs are its requirements with those extras: "werkzeug>=3".
	Needs []string `json:"needs,omitempty"`
	// Programs are the programs that it installs.
	Programs []string `json:"programs,omitempty"`
}

// String returns "name version", the form in messages.
func (l Locked) String() string { return l.Name + " " + l.Version }

// Check returns what is wrong with the entry. Names and paths must be checked because
// they become parts of files' names and of URLs.
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

// Inspected is a wheel whose content was read.
type Inspected struct {
	Locked   // without what depends on extras
	Metadata *Metadata
}

// A Source provides wheels: an index, or several. Its methods may be called from
// several goroutines.
type Source interface {
	// Files lists the files of a project in all indexes.
	Files(ctx context.Context, project string) ([]File, error)
	// Inspect downloads a file and reads its content.
	Inspect(ctx context.Context, f File) (*Inspected, error)
	// Again reads the content of a locked wheel.
	Again(ctx context.Context, l Locked) (*Inspected, error)
}

// BringsCUDA reports whether a wheel's name and version say that it contains libraries
// of CUDA, or requires wheels that do.
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
