package debian

import "strings"

// A Locked package is one exact .deb file.
type Locked struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Arch          string `json:"arch"` // "all" for one that fits every machine
	Source        string `json:"source"`
	SourceVersion string `json:"sourceVersion"`
	// Archive names where it comes from, by a word that means the same everywhere:
	// "debian", "debian-security", or the name of an apt source of the definition.
	Archive string `json:"archive"`
	Path    string `json:"path"` // below the archive's root: "pool/main/…"
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"` // 64 hexadecimal digits
}

// File is the name of the package's file, as the archive has it.
func (l Locked) File() string { return l.Path[strings.LastIndexByte(l.Path, '/')+1:] }

// String is "name version arch", as messages name a package.
func (l Locked) String() string { return l.Name + " " + l.Version + " " + l.Arch }
