// Package provision does the set-up work of servers that no configuration file can
// express, such as making a data folder, databases and users. It lets servers without
// a verb for it test their configuration, and it installs missing software.
//
// Each task runs as a process of its own, `nix2gpu provision <kind> …`, and may
// therefore use os/exec. Each is idempotent and may be killed at any moment: work
// counts as done by a mark that is made at its end, and is done again until then.
// [Main] is the way in.
package provision
