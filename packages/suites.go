package packages

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// releases has the supported releases of Debian and Ubuntu, by code name, in the order in
// which a cure names them.
var releases = sync.OnceValue(func() [][2]string {
	return [][2]string{
		{"bookworm", "Debian 12"}, {"trixie", "Debian 13"}, {"bullseye", "Debian 11"}, {"noble", "Ubuntu 24.04"}, {"jammy", "Ubuntu 22.04"},
	}
})

// Release returns the usual name of a release, "Debian 12 (bookworm)".
func Release(suite string) string {
	for _, r := range releases() {
		if r[0] == suite {
			return fmt.Sprintf("%s (%s)", r[1], suite)
		}
	}
	return suite
}

// inSuites has the releases that have the packages of a row, if not all have: names
// contain versions, and packages come and go between releases. For Debian it is made from
// the indexes of 2026; "?" means that Ubuntu's are not known.
var inSuites = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"python39":  "bullseye",
		"python310": "jammy",
		"python311": "bookworm",
		"python312": "noble",
		"python313": "trixie",

		"postgresql_13": "bullseye",
		"postgresql_14": "jammy",
		"postgresql_15": "bookworm",
		"postgresql_16": "noble",
		"postgresql_17": "trixie",

		"btop":          "bookworm trixie ?",
		"caddy":         "bookworm trixie ?",
		"consul":        "bullseye ?",
		"gh":            "bookworm trixie ?",
		"jdk17":         "bookworm bullseye ?",
		"minio-client":  "trixie ?",
		"mysql80":       "jammy noble",
		"nats-server":   "bookworm trixie ?",
		"nvtopPackages": "trixie ?",
		"pgcli":         "bookworm trixie ?",
		"pipx":          "bookworm trixie ?",
		"poetry":        "bookworm trixie ?",
		"valkey":        "trixie ?",
		"yq-go":         "bookworm trixie ?",
	}
})

// NotIn reports whether a release is known to lack the packages of an attribute, and
// returns those releases that have them, the preferred one first.
func NotIn(suite, attr string) (has []string, lacks bool) {
	row := strings.TrimSuffix(attr, "_jit")
	for {
		e, ok := table()[row]
		if !ok || !strings.HasPrefix(e.debian, "@") {
			break
		}
		row = e.debian[1:]
	}
	if major, ok := strings.CutPrefix(row, "postgresql"); ok {
		if major, _, ok = strings.Cut(major, "Packages."); ok {
			row = "postgresql_" + major // an extension, which is built for one server
		}
	}
	words := strings.Fields(inSuites()[row])
	known, ofDebian := false, false
	for _, r := range releases() {
		known = known || r[0] == suite
		if slices.Contains(words, r[0]) {
			has = append(has, r[0])
		}
		ofDebian = ofDebian || r[0] == suite && strings.HasPrefix(r[1], "Debian")
	}
	lacks = known && len(words) > 0 && !slices.Contains(has, suite) && (ofDebian || !slices.Contains(words, "?"))
	return has, lacks
}
