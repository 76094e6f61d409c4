// Package compose translates between process-compose YAML and a project.
//
// [Load] reads the files of that tool, several merged into one, and reports
// everything that is wrong with them, each error at its place. What its YAML
// means there, it means here, where a user can see it: no restart unless
// asked for, a readiness probe that fails restarts, a status of exactly 200.
// Where its meaning is a trap, ours differs and a note says so.
//
// [Encode] writes a project as such YAML, with what the format can't say
// under x-nix2gpu. Decoding is by hand, over a tree with positions, because
// no struct tag can say where a value came from.
//
// The package reads files only through [Options.ReadFile].
package compose
