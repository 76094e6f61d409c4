// Package filewatch tells of changed files below folders, once nothing more has changed for a
// moment. A [Watcher] is one set of folders and files with the patterns that count. It sees
// folders that are made later, and follows no links. It knows nothing of services.
package filewatch
