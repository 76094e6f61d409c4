package inspect

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An Image holds the facts of an image.
type Image struct {
	Name     string            `json:"name"`
	Digest   string            `json:"digest"` // of the manifest
	Platform string            `json:"platform"`
	Created  time.Time         `json:"created"`
	Size     int64             `json:"size"` // bytes to pull: layers and config
	Config   v1.Config         `json:"config"`
	Notes    map[string]string `json:"annotations,omitempty"`
	Layers   []Layer           `json:"layers"`

	Packages []Package `json:"packages"`
	// Known says where Packages come from: "dpkg" or "sbom"; "" if packages are not
	// known.
	Known string `json:"packagesFrom,omitempty"`
	// Wheels are the packages of Python in an SBOM; nil if there is no SBOM.
	Wheels []Wheel `json:"wheels,omitempty"`

	Files map[string]File `json:"files,omitempty"` // by path without a leading slash; nil: not read
}

// A Layer is a layer of an image.
type Layer struct {
	Digest  string `json:"digest"`
	Size    int64  `json:"size"` // compressed, in bytes
	Comment string `json:"comment,omitempty"`
}

// A Package is a package of Debian's format.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
	Source  string `json:"source,omitempty"`
}

// A Wheel is a package of Python.
type Wheel struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// A File is a path of the root file system, with all layers applied.
type File struct {
	Kind   string `json:"kind"` // "file", "dir", "link", "device", "fifo"
	Mode   int64  `json:"mode"`
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Size   int64  `json:"size,omitempty"`
	Target string `json:"target,omitempty"` // for a link
	SHA256 string `json:"sha256,omitempty"` // for a file
}
