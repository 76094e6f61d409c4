package inspect

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An Image is what is known of one image.
type Image struct {
	Name     string            `json:"name"`
	Digest   string            `json:"digest"` // of the manifest
	Platform string            `json:"platform"`
	Created  time.Time         `json:"created"`
	Size     int64             `json:"size"` // of all that is pulled: layers and config
	Config   v1.Config         `json:"config"`
	Notes    map[string]string `json:"annotations,omitempty"`
	Layers   []Layer           `json:"layers"`

	Packages []Package `json:"packages"`
	// Known says where Packages come from: "dpkg" or "sbom"; "" if the image
	// says nothing of packages.
	Known string `json:"packagesFrom,omitempty"`
	// Wheels are what an SBOM says of packages of Python; nil: there is no SBOM.
	Wheels []Wheel `json:"wheels,omitempty"`

	Files map[string]File `json:"files,omitempty"` // by path without a leading slash; nil: not read
}

// A Layer is one layer.
type Layer struct {
	Digest  string `json:"digest"`
	Size    int64  `json:"size"` // as it is pulled
	Comment string `json:"comment,omitempty"`
}

// A Package is one of Debian's kind.
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

// A File is one path of the root file system, as the layers above leave it.
type File struct {
	Kind   string `json:"kind"` // "file", "dir", "link", "device", "fifo"
	Mode   int64  `json:"mode"`
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Size   int64  `json:"size,omitempty"`
	Target string `json:"target,omitempty"` // of a link
	SHA256 string `json:"sha256,omitempty"` // of a file's content
}
