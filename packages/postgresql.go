package packages

import (
	"cmp"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"nix2gpu/spelling"
)

// anyMajor stands, in the names of Debian's packages, for the version of PostgreSQL that a
// release has. [Released] puts it in.
const anyMajor = "{major}"

// majors are these versions by release.
func majors() map[string]string {
	return map[string]string{"bullseye": "13", "bookworm": "15", "trixie": "17", "jammy": "14", "noble": "16"}
}

// extension makes the row of an extension of PostgreSQL, of any major version or of one.
func extension(major string) func(child string) entry {
	dir := major
	if major == anyMajor {
		dir = "*"
	}
	return func(child string) entry {
		debian, control := strings.ReplaceAll(child, "_", "-"), child
		if named, ok := extensions()[child]; ok {
			debian, control, _ = strings.Cut(named, " ")
		}
		return entry{debian: "postgresql-" + major + "-" + debian, programs: "-",
			links: "/share/postgresql/extension/" + control + ".control=/usr/share/postgresql/" + dir + "/extension/" + control + ".control" +
				" /lib/" + control + ".so=/usr/lib/postgresql/" + dir + "/lib/" + control + ".so"}
	}
}

// extensions have other names in Debian than in nixpkgs: that of the package, without
// "postgresql-15-", and that of the extension.
func extensions() map[string]string {
	return map[string]string{
		"pg_auto_failover": "auto-failover pgautofailover",
		"pg_cron":          "cron pg_cron",
		"pg_partman":       "partman pg_partman",
		"pg_rational":      "rational pg_rational",
		"pg_repack":        "repack pg_repack",
		"pg_similarity":    "similarity pg_similarity",
		"pgvector":         "pgvector vector",
		"postgis":          "postgis-3 postgis",
	}
}

// debianExtensions are those of Debian 12 that have the names there that they have in nixpkgs,
// but for dashes.
const debianExtensions = "asn1oid auto-failover bgw-replstatus debversion decoderbufs dirtyread extra-window-functions first-last-agg hll hypopg " +
	"icu-ext ip4r jsquery londiste-sql mimeo mysql-fdw numeral ogr-fdw omnidb orafce periods pg-catcheck pg-checksums pg-fact-loader pg-qualstats " +
	"pg-stat-kcache pg-track-settings pg-wait-sampling pgaudit pgauditlogtofile pgextwlist pgfincore pgl-ddl-deploy pglogical pglogical-ticker " +
	"pgmemcache pgmp pgpcre pgpool2 pgq-node pgq3 pgrouting pgsphere pgtap pldebugger pllua plpgsql-check plprofiler plproxy plr plsh pointcloud " +
	"powa prefix preprepare prioritize q3c rdkit repmgr rum semver set-user slony1-2 snakeoil tablelog tdigest tds-fdw toastinfo unit wal2json"

// Strange reports whether an attribute is an extension of PostgreSQL that Debian 12 does not
// have, and which one may be meant by it, or "".
func Strange(attr string) (meant string, strange bool) {
	set, child, _ := strings.Cut(attr, ".")
	if !strings.HasPrefix(set, "postgresql") || !IsSet(set) {
		return "", false
	}
	known := slices.Collect(maps.Keys(extensions()))
	for _, name := range strings.Fields(debianExtensions) {
		known = append(known, strings.ReplaceAll(name, "-", "_"))
	}
	if slices.Contains(known, strings.ReplaceAll(child, "-", "_")) {
		return "", false
	}
	return spelling.Nearest(child, known), true
}

// Released returns the names of Debian's packages in a release. For one that is not known
// they are those of Debian 12.
func Released(names []string, suite string) []string {
	return withMajor(names, cmp.Or(majors()[suite], majors()["bookworm"]))
}

func withMajor(names []string, major string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ReplaceAll(name, anyMajor, major)
	}
	return out
}

// names are those of the Debian packages on this machine: for the server that it has, else
// for the one of its release.
func (h *Host) names(p Package) []string {
	if server := newest(machineFiles{h.Root}, "/usr/lib/postgresql/[0-9]*/bin/postgres"); server != "" {
		return withMajor(p.Debian, path.Base(path.Dir(path.Dir(server))))
	}
	release, _ := os.ReadFile(h.Root + "/etc/os-release") // without it, as for one that is not known
	for line := range strings.Lines(string(release)) {
		if suite, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return Released(p.Debian, suite)
		}
	}
	return Released(p.Debian, "")
}

// ExtensionsOf returns the set of the extensions for the server of an attribute.
func ExtensionsOf(attr string) string {
	major, _ := strings.CutSuffix(strings.TrimPrefix(attr, "postgresql"), "_jit")
	if set := "postgresql" + strings.TrimPrefix(major, "_") + "Packages"; IsSet(set) {
		return set
	}
	return "postgresqlPackages"
}
