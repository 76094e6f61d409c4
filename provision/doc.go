// Package provision does the set-up work of servers that cannot be said in a
// configuration file: making a data folder, databases, users; and it installs
// missing software.
//
// Each piece runs as a process of its own, `nix2gpu provision <kind> …`,
// before or after a start of the server (see the roles of package project), and may
// therefore use os/exec. Every piece is idempotent and survives being killed
// at any moment: what counts as done is marked at the end, and what was left
// half-done is done again. [Main] is the only way in.
package provision
