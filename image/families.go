package image

import "path"

// A family is a set of packages that nearly always come together, because one of them or
// a server of the catalogue depends on the others. They share a layer. The family follows
// from the package's name alone, so images share such a layer: an image with one package
// of a family usually has the rest. A large library that some images have without the rest
// must be in no family, because those images would get another layer.
type family struct {
	name     string
	packages []string // patterns of their names, in all releases
	// whole is set if none of them comes without the others, or their versions change
	// together: then a large one gets no layer of its own.
	whole bool
}

// everywhere is the family of sshd and its dependencies. Every image has all of it.
const everywhere = "sshd"

// families returns all families, for all releases. TestCatalogueLayers measures what they
// save. A package that is missing here is grouped by its source, which costs a layer.
func families() []family {
	return []family{
		{everywhere, []string{
			"openssh-client", "openssh-server", "openssh-sftp-server", "adduser", "dpkg", "init-system-helpers", "libbsd0", "libcbor0.*", "libcom-err2", "libcom-err2t64",
			"libdb5.3", "libdb5.3t64", "libedit2", "libfido2-1", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3", "libkrb5support0", "libmd0", "libnsl2",
			"libpam-modules", "libpam-modules-bin", "libpam-runtime", "libpam0g", "libsemanage-common", "libsemanage2", "libsepol2", "libtirpc-common", "libtirpc3", "libtirpc3t64",
			"libudev1", "libwrap0", "libwtmpdb0", "lsb-base", "passwd", "runit-helper", "sensible-utils", "sysvinit-utils", "ucf",
		}, true},
		// Servers of the catalogue, with what no other server depends on.
		{"postgresql", []string{"postgresql", "postgresql-client", "libpq5", "libxslt1.1", "tzdata", "tzdata-legacy", "postgresql-1[0-9]", "postgresql-client-1[0-9]"}, true},
		{"redis", []string{"redis-server", "redis-tools", "redis-sentinel", "libjemalloc2", "liblzf1", "libatomic1"}, false},
		{"nginx", []string{"nginx", "nginx-common", "nginx-light", "nginx-core", "libnginx-mod-*"}, false},
		{"mariadb", []string{"mariadb-*", "libmariadb3", "mysql-common", "galera-4", "libdbi-perl", "libconfig-inifiles-perl", "liburing2", "libnuma1", "libxxhash0", "gawk", "libmpfr6", "libsigsegv2", "lsof", "psmisc", "rsync"}, true},
		{"apache", []string{"apache2", "apache2-*", "libapr1", "libapr1t64", "libaprutil1*", "liblua5.*-0", "libjansson4"}, false},
		{"caddy", []string{"caddy", "libnspr4", "libnss3", "libnss3-tools"}, false},
		{"prometheus", []string{"prometheus", "prometheus-node-exporter*", "javascript-common", "fonts-glyphicons-halflings", "libjs-*"}, false},
		{"rabbitmq", []string{"erlang-*"}, true}, // the server has a layer of its own
		{"memcached", []string{"memcached", "libevent-2.1-7", "libevent-2.1-7t64"}, false},
		// Python, as it runs programs.
		{"python", []string{"python3", "python3-minimal", "libpython3-stdlib", "python3.[0-9]*", "libpython3.[0-9]*"}, true},
		// LDAP and TLS for PostgreSQL, Apache and curl.
		{"ldap", []string{"libldap-2.5-0", "libldap2", "libgnutls30", "libgnutls30t64", "libhogweed6", "libhogweed6t64", "libnettle8", "libnettle8t64", "libidn2-0", "libtasn1-6", "libunistring2", "libunistring5", "libp11-kit0"}, false},
		// libcurl with its libraries: Apache and curl have it.
		{"curl", []string{"libcurl4", "libcurl4t64", "libbrotli1", "libnghttp2-14", "libnghttp3-*", "libngtcp2-*", "libpsl5", "libpsl5t64", "librtmp1", "libssh2-1", "libssh2-1t64"}, false},
		// What nginx and MariaDB depend on.
		{"iproute", []string{"iproute2", "libbpf1", "libelf1", "libelf1t64", "libmnl0", "libxtables12", "libcap2-bin"}, false},
		// Unicode's data, 37 MB of it, and what is small beside it: libxml2 needs it, and it needs
		// libstdc++6, which some images have alone.
		{"icu", []string{"libicu[0-9]*", "libxml2", "libxml2-1[0-9]", "libstdc++6"}, true},
		{"perl", []string{"perl", "perl-modules-5.*", "libperl5.*", "libgdbm6", "libgdbm6t64", "libgdbm-compat4", "libgdbm-compat4t64", "perl-base"}, true},
		{"systemd", []string{
			"systemd", "systemd-sysv", "libsystemd-shared", "libapparmor1", "libargon2-1", "libcryptsetup12", "libip4tc2", "libjson-c5", "libkmod2", "libseccomp2", "dmsetup", "libdevmapper1.02.1",
			"libblkid1", "libfdisk1", "libmount1", "libsmartcols1", "mount", "logrotate", "cron", "cron-daemon-common",
		}, false},
	}
}

// familyOf returns the family of a package; the zero one if it has none.
func familyOf(name string) family {
	for _, f := range families() {
		for _, pattern := range f.packages {
			if ok, _ := path.Match(pattern, name); ok { // the patterns are well-formed
				return f
			}
		}
	}
	return family{}
}
