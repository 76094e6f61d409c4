package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Encode writes p as indented JSON with a stable order: two equal projects
// give equal bytes.
func (p *Project) Encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Decode reads what Encode wrote. It rejects unknown fields and other
// versions, so that nothing of a project is ever lost unnoticed.
func Decode(r io.Reader) (*Project, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var p Project
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("project JSON: %v", err)
	}
	if p.Version != Version {
		return nil, fmt.Errorf("project JSON has version %d, this build reads version %d\nhint: build the image with the nix2gpu that runs it", p.Version, Version)
	}
	if err := p.noNulls(); err != nil {
		return nil, err
	}
	return &p, nil
}

// noNulls refuses null in the maps of pointers, so that nothing else has to look for
// it.
func (p *Project) noNulls() error {
	for id, s := range p.Services {
		if s == nil {
			return fmt.Errorf("project JSON: service %q is null", id)
		}
	}
	for id, q := range p.Processes {
		if q == nil {
			return fmt.Errorf("project JSON: process %q is null", id)
		}
	}
	for name, f := range p.Files {
		if f == nil {
			return fmt.Errorf("project JSON: file %q is null", name)
		}
	}
	return nil
}

// marshal is json.Marshal without escapes for HTML, which make commands with < and &
// unreadable.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
