package supervisor

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"nix2gpu/project"
)

// A tracer makes W3C trace contexts. The one-shots of one start of a service are in the
// same trace, and each has a parent of its own.
type tracer struct{ secret [16]byte }

func newTracer() tracer {
	var t tracer
	rand.Read(t.secret[:]) // which never fails
	return t
}

// context returns the value of TRACEPARENT for a run.
func (t tracer) context(r Run) string {
	sum := sha256.Sum256(fmt.Appendf(t.secret[:], "%s %d", r.Service.ID, r.Attempt))
	var parent [8]byte
	rand.Read(parent[:])
	parent[0] |= 1 // all zeros would be none
	return "00-" + hex.EncodeToString(sum[:16]) + "-" + hex.EncodeToString(parent[:]) + "-01"
}

// oneShot reports whether a run is meant to end: what prepares a service, or a job.
func oneShot(r Run) bool {
	return r.Process.Role != project.Main || r.Process.Restart.Policy == project.RestartNo || r.Service.Schedule != nil
}

// trace adds a trace context to the environment of a one-shot, unless there is one.
func (t tracer) trace(r Run, env []string) []string {
	if !oneShot(r) || slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "TRACEPARENT=") }) {
		return env
	}
	return append(env, "TRACEPARENT="+t.context(r))
}
