// Package safefile opens files in folders that others may write to, even with
// root's rights: a link, a FIFO or a device that somebody planted there is refused,
// with its cure, and never followed, waited for or written to.
//
// [OpenFile], [ReadFile] and [Replace] never follow a link at the path's end;
// [OpenLinked] follows one that nobody else can have made. A file is opened only if
// it is regular and belongs to us, or to root for reading; [Peek] accepts any owner.
// A refusal is an [*Error]; other failures, such as a full disk, are *fs.PathError
// with the system's errno.
//
// Nothing here keeps state; everything may be called concurrently.
package safefile
