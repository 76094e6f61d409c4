// Package index gets wheels from the indexes of Python packages, those of PEP 503
// (HTML) and PEP 691 (JSON), into the cache.
//
// A [Client] lists what indexes have of a project, downloads under the rules of
// package download, and opens what the cache has. A user and password in an
// index's URL go to that host alone, and into no message. Which file is wanted is
// package wheel's and the lock's affair.
package index
