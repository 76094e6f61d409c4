// Package console stands between services that have a terminal and those who are
// attached to it.
//
// A [Set] has a [Console] for each name. Whoever runs the program opens the console
// with the terminal's other side, and writes to it what the terminal shows; each
// [Attachment] reads that, and writes what is typed. A console outlives the
// program, so that attachments last over a restart. Nobody here waits for a reader.
//
// The package knows no processes and no sockets; [Frames] is how an attachment
// travels.
package console
