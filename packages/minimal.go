package packages

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// An image of the variant "minimal" has what its programs are found to need: libraries
// and interpreters. This file has what can't be found, because programs open it by name
// while they run. Software that nobody has examined stays whole, with all of its
// dependencies.

// reduced returns patterns of what the programs of a row open by name, and whether that
// is known.
func reduced(row string) (data []string, ok bool) {
	const postgresql = "/usr/lib/postgresql/*/lib /usr/share/postgresql /usr/share/zoneinfo"
	known := map[string]string{
		"mailcap":         "/etc/mime.types /etc/nginx/mime.types",
		"tzdata":          "/usr/share/zoneinfo",
		"openssh":         "/usr/lib/openssh/sftp-server /usr/lib/openssh/sshd-* /etc/ssh",
		"nginx":           "/etc/nginx /usr/share/nginx /usr/lib/nginx /var/lib/nginx /var/log/nginx",
		"mariadb":         "/usr/share/mysql /usr/share/mariadb /usr/lib/mysql /usr/lib/*/libmariadb3 /etc/mysql /usr/bin/my_print_defaults /usr/bin/resolveip /var/lib/mysql",
		"apacheHttpd":     "/usr/lib/apache2 /usr/share/apache2 /etc/apache2 /etc/mime.types",
		"prometheus":      "/usr/share/prometheus /etc/prometheus",
		"rabbitmq-server": "/usr/lib/rabbitmq /etc/rabbitmq /usr/lib/erlang /usr/bin/erl /usr/bin/erlc /usr/bin/escript /usr/bin/epmd",
	}
	set, _, isMember := strings.Cut(row, ".")
	if row == "postgresql" || strings.HasPrefix(row, "postgresql_") || isMember && strings.HasPrefix(set, "postgresql") { // the last is an extension
		return strings.Fields(postgresql), true
	}
	if data, ok := known[row]; ok {
		return strings.Fields(data), true
	}
	const alone = "bash bashInteractive dash coreutils findutils gnugrep gnused gawk gnutar gzip bzip2 xz zstd unzip zip diffutils patch which less tree ripgrep fd jq procps " +
		"psmisc util-linux tini dumb-init gosu su-exec strace lsof iputils curl wget rsync socat netcat netcat-openbsd openssl cacert sqlite redis memcached caddy nats-server " +
		"python3 python39 python310 python311 python312 python313 python314"
	return nil, slices.Contains(strings.Fields(alone), row)
}

// MinimalBase returns patterns of the paths that every minimal image has; a folder comes
// with its content.
func MinimalBase() []string {
	out := []string{
		"usr/bin/bash", "usr/bin/dash", "usr/bin/sh", "usr/bin/mawk", "usr/bin/awk", "usr/bin/hostname", "usr/sbin/ldconfig",
		"etc/debian_version", "etc/os-release", "usr/lib/os-release", "etc/services", "etc/protocols", "usr/lib/ssl/cert.pem",
		"etc/nsswitch.conf", "etc/host.conf", "etc/ld.so.conf", "etc/ld.so.conf.d",
	}
	for _, attr := range []string{"coreutils", "gnugrep", "gnused", "findutils"} {
		for name := range Lookup(attr).Programs {
			out = append(out, "usr/bin/"+name)
		}
	}
	slices.Sort(out)
	return out
}

// BootPrograms returns the programs of a package that boot runs. A minimal image has only
// these of it, unless its definition names the package.
func BootPrograms(attr string) []string {
	if attr == "openssh" {
		return []string{"sshd"}
	}
	return nil
}

// Kept returns the programs of the package that a minimal image has: those of its row,
// except tools for measuring and repairing.
func (p Package) Kept() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Programs)), func(name string) bool {
		return slices.Contains([]string{"redis-benchmark", "redis-check-aof", "redis-check-rdb"}, name)
	})
}

// A companion lists what a file opens by name.
type companion struct {
	of    string // pattern of the file
	files string // words: patterns
}

func companions() []companion {
	const python = "usr/lib/python3 usr/lib/python3.* etc/python3*"
	return []companion{
		// Libraries for wheels and programs that are added later, and what libc opens.
		{"usr/lib/*/libc.so.6", "usr/lib/*/libm.so.6 usr/lib/*/libpthread.so.0 usr/lib/*/libdl.so.2 usr/lib/*/librt.so.1 usr/lib/*/libutil.so.1 usr/lib/*/libresolv.so.2 " +
			"usr/lib/*/libnss_files.so.2 usr/lib/*/libnss_dns.so.2 usr/lib/*/libgcc_s.so.1 usr/lib/locale/C.utf8"},
		{"usr/lib/*/libcrypto.so.*", "etc/ssl/openssl.cnf usr/lib/ssl/openssl.cnf usr/lib/ssl/certs usr/lib/*/ossl-modules"},
		{"usr/lib/*/libtinfo.so.*", "usr/lib/terminfo etc/terminfo"},
		{"usr/lib/*/libsasl2.so.*", "usr/lib/*/sasl2"},
		{"usr/bin/ssh", "usr/lib/openssh"},
		{"usr/lib/*/libldap-*", "etc/ldap/ldap.conf"},
		{"usr/lib/*/libmagic.so.*", "usr/share/misc usr/lib/file"},
		{"usr/lib/*/libpython3.*", python},
		{"usr/bin/python3.*", python},
		{"usr/bin/perl", "usr/lib/*/perl* usr/share/perl* etc/perl"},
		{"usr/bin/ruby*", "usr/lib/ruby usr/lib/*/ruby usr/share/ruby*"},
		{"usr/bin/node", "usr/share/nodejs usr/share/node_modules"},
		{"usr/bin/lua*", "usr/share/lua usr/lib/*/lua"},
		{"usr/lib/erlang/bin/erl", "usr/lib/erlang"},
		{"usr/lib/jvm/*/lib/server/libjvm.so", "usr/lib/jvm etc/java* usr/share/java"},
	}
}

// needless returns paths in companions' folders that programs don't use: tests, an
// editor, the translator of Python 2, the build files for extensions of PostgreSQL, time
// zones with leap seconds, modules that would need a database library, and sshd's primes,
// without which it uses the groups of the standards.
func needless() []string {
	return []string{
		"usr/lib/python3.*/test", "usr/lib/python3.*/idlelib", "usr/lib/python3.*/lib2to3", "usr/lib/python3.*/pydoc_data", "usr/lib/python3.*/turtledemo",
		"usr/lib/python3.*/turtle.py", "usr/lib/python3.*/ensurepip", "usr/lib/python3.*/tkinter", "usr/lib/python3.*/lib-dynload/_test*", "usr/lib/python3.*/lib-dynload/_xx*",
		"usr/lib/postgresql/*/lib/pgxs", "usr/share/zoneinfo/right", "usr/lib/*/sasl2/libsasldb.*", "usr/lib/python3.*/lib-dynload/nis.*", "usr/lib/python3.*/lib-dynload/_dbm.*", "etc/ssh/moduli",
	}
}

// Companions returns patterns of what a file opens by name: for "usr/bin/perl", its
// modules.
func Companions(file string) (patterns []string) {
	for _, c := range companions() {
		if matchesAny([]string{c.of}, file) {
			patterns = append(patterns, strings.Fields(c.files)...)
		}
	}
	return patterns
}

// Needless reports whether a path in a companion's folder is left out nevertheless.
func Needless(file string) bool {
	for ; file != "." && file != "/"; file = path.Dir(file) {
		if matchesAny(needless(), file) {
			return true
		}
	}
	return false
}

// ForScripts reports whether only packages' scripts need a package. No image runs those.
func ForScripts(name string) bool {
	return slices.Contains([]string{"adduser", "cdebconf", "debconf", "debconf-2.0", "dpkg", "init-system-helpers", "install-info", "lsb-base", "perl-base", "sensible-utils", "sysvinit-utils", "ucf"}, name)
}
