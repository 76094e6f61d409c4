package debian

import "strings"

// A Locked package is one exact .deb file.
type Locked struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Arch          string `json:"arch"` // "all" if it fits every architecture
	Source        string `json:"source"`
	SourceVersion string `json:"sourceVersion"`
	// Archive is a name for where it comes from that means the same on every machine:
	// "debian", "debian-security", or the name of an apt source of the definition.
	Archive string `json:"archive"`
	Path    string `json:"path"` // relative to the archive's root: "pool/main/…"
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"` // 64 hexadecimal digits
}

// File returns the name of the package's file in the archive.
func (l Locked) File() string { return l.Path[strings.LastIndexByte(l.Path, '/')+1:] }

// String returns "name version arch", the form in messages.
func (l Locked) String() string { return l.Name + " " + l.Version + " " + l.Arch }
