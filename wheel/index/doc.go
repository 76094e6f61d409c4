// Package index downloads wheels from indexes of Python packages, of PEP 503 (HTML) and
// PEP 691 (JSON), into the cache.
//
// A [Client] lists the files of a project, downloads by the rules of package download,
// and opens files in the cache. A user and password in an index's URL are sent only to
// that host, and shown in no message. Which file is wanted, package wheel and the lock
// decide.
package index
