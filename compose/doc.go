// Package compose translates between process-compose YAML and a project.
//
// [Load] reads files of that tool, merges them into one project, and reports
// everything that is wrong with them, each error with its position. Whatever a user
// can notice is as in process-compose: no restart unless asked for, a failed
// readiness probe restarts, the status must be exactly 200. Where its behaviour is a
// trap, ours differs and a note says so.
//
// [Encode] writes a project as such YAML, and what the format can't say under
// x-nix2gpu. Files are decoded by hand, from a tree with positions, because struct
// tags would lose where a value came from.
//
// The package reads files only through [Options.ReadFile].
package compose
