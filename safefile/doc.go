// Package safefile opens files in folders that others may write to, with the
// rights of root too: a link, a FIFO or a device that somebody planted there
// is refused, with its cure, and never followed, waited for or written to.
//
// [OpenFile], [ReadFile] and [Replace] never follow the path's last name;
// [OpenLinked] does so for a link that nobody else can have made. A file is
// opened only when it is regular and belongs to us (or to root, to read it);
// [Peek] asks for no owner. What is refused is an [*Error]; other failures, such as a full
// disk, are a *fs.PathError with the system's own number.
//
// Nothing here keeps state; all may be called concurrently.
package safefile
