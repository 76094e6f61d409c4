package packages

import (
	"strings"
	"sync"
)

// vendorSources has the apt repositories of vendors whose packages Debian does not have.
// Each fingerprint is from the public page that is named beside it. If none was found, the
// packages are refused until a definition gives the key.
var vendorSources = sync.OnceValue(func() map[string]AptSource {
	list := []AptSource{
		{
			// https://apt.grafana.com; the fingerprint: https://github.com/voxpupuli/puppet-grafana/pull/336
			Name: "grafana", URL: map[string]string{"": "https://apt.grafana.com"}, Suite: "stable", Components: []string{"main"},
			Key: "https://apt.grafana.com/gpg.key", Fingerprints: []string{"B53AE77BADB630A683046005963FA27710458545"},
		},
		{
			// https://clickhouse.com/docs/install; the fingerprint:
			// https://github.com/ClickHouse/ClickHouse/blob/master/docker/server/Dockerfile.ubuntu
			Name: "clickhouse", URL: map[string]string{"": "https://packages.clickhouse.com/deb"}, Suite: "stable", Components: []string{"main"},
			Key: "https://packages.clickhouse.com/rpm/lts/repodata/repomd.xml.key", Fingerprints: []string{"3A9EA1193A97B548BE1457D48919F6BD2B48D754"},
		},
		{
			// https://tailscale.com/install.sh; the fingerprint: https://michael-prokop.at/blog/2021/02/16/
			// how-to-properly-use-3rd-party-debian-repository-signing-keys-with-apt/
			Name: "tailscale", URL: map[string]string{"": "https://pkgs.tailscale.com/stable/debian"}, Suite: "{suite}", Components: []string{"main"},
			Key: "https://pkgs.tailscale.com/stable/debian/bookworm.noarmor.gpg", Fingerprints: []string{"2596A99EAAB33821893C0A79458CA832957F5868"},
		},
		{
			// https://www.mongodb.com/docs/manual/tutorial/install-mongodb-on-debian/; the fingerprint:
			// https://github.com/docker-library/mongo/blob/master/8.0/Dockerfile
			Name: "mongodb", URL: map[string]string{"": "https://repo.mongodb.org/apt/debian"}, Suite: "{suite}/mongodb-org/8.0", Components: []string{"main"},
			Key: "https://pgp.mongodb.com/server-8.0.asc", Fingerprints: []string{"4B0752C1BCA238C0B4EE14DC41DE058A4E7DCA05"},
		},
		{
			// https://www.elastic.co/guide/en/elasticsearch/reference/8.15/deb.html, with the fingerprint.
			Name: "elastic", URL: map[string]string{"": "https://artifacts.elastic.co/packages/8.x/apt"}, Suite: "stable", Components: []string{"main"},
			Key: "https://artifacts.elastic.co/GPG-KEY-elasticsearch", Fingerprints: []string{"46095ACC8548582C1A2699A9D27D666CD88E42B4"},
		},
		{
			// https://cloud.google.com/sdk/docs/install names no fingerprint.
			Name: "google-cloud", URL: map[string]string{"": "https://packages.cloud.google.com/apt"}, Suite: "cloud-sdk", Components: []string{"main"},
			Key: "https://packages.cloud.google.com/apt/doc/apt-key.gpg",
		},
	}
	out := map[string]AptSource{}
	for _, s := range list {
		out[s.Name] = s
	}
	return out
})

// VendorSource returns the repository of a name in the table, for a release of Debian;
// without a URL if the vendor has none for that.
func VendorSource(name, suite string) (AptSource, bool) {
	if name == NVIDIA {
		r := NVIDIAFor(suite)
		s := AptSource{Name: name, URL: r.URLs, Suite: "./", Key: r.KeyURL}
		if r.Fingerprint != "" {
			s.Fingerprints = []string{r.Fingerprint}
		}
		return s, true
	}
	s, ok := vendorSources()[name]
	s.Suite = strings.ReplaceAll(s.Suite, "{suite}", suite)
	return s, ok
}

// vendorArchives has the files that vendors publish, by attribute. Each digest is from the
// public page that is named beside it. If none was found, "nix2gpu lock" writes down that
// of the downloaded file.
var vendorArchives = sync.OnceValue(func() map[string]Archive {
	return map[string]Archive{
		// The digest: https://github.com/Homebrew/homebrew-core/blob/HEAD/Formula/k/kafka.rb, in its version 3.9.0.
		"apacheKafka": {
			Attr:   "apacheKafka",
			URL:    map[string]string{"": "https://archive.apache.org/dist/kafka/3.9.0/kafka_2.13-3.9.0.tgz"},
			SHA256: map[string]string{"": "abc44402ddf103e38f19b0e4b44e65da9a831ba9e58fd7725041b1aa168ee8d1"}, Strip: 1,
		},
		// https://www.jaegertracing.io/download/; the last line of version 1, which services.jaeger runs.
		"jaeger": {
			Attr: "jaeger",
			URL: map[string]string{
				"amd64": "https://github.com/jaegertracing/jaeger/releases/download/v1.62.0/jaeger-1.62.0-linux-amd64.tar.gz",
				"arm64": "https://github.com/jaegertracing/jaeger/releases/download/v1.62.0/jaeger-1.62.0-linux-arm64.tar.gz",
			},
			Strip: 1, Bin: []Bin{{Path: "jaeger-all-in-one"}},
		},
		// https://cassandra.apache.org/_/download.html; version 5 runs with the Java of Debian 12.
		"cassandra": {
			Attr: "cassandra", URL: map[string]string{"": "https://archive.apache.org/dist/cassandra/5.0.2/apache-cassandra-5.0.2-bin.tar.gz"}, Strip: 1,
		},
		// https://neo4j.com/deployment-center/; the last line of version 5.
		"neo4j": {
			Attr: "neo4j", URL: map[string]string{"": "https://dist.neo4j.org/neo4j-community-5.26.0-unix.tar.gz"}, Strip: 1,
		},
		// https://github.com/qdrant/qdrant/releases
		"qdrant": {
			Attr: "qdrant",
			URL: map[string]string{
				"amd64": "https://github.com/qdrant/qdrant/releases/download/v1.16.0/qdrant-x86_64-unknown-linux-musl.tar.gz",
				"arm64": "https://github.com/qdrant/qdrant/releases/download/v1.16.0/qdrant-aarch64-unknown-linux-musl.tar.gz",
			},
			Bin: []Bin{{Path: "qdrant"}},
		},
		// https://github.com/weaviate/weaviate/releases
		"weaviate": {
			Attr: "weaviate",
			URL: map[string]string{
				"amd64": "https://github.com/weaviate/weaviate/releases/download/v1.35.2/weaviate-v1.35.2-linux-amd64.tar.gz",
				"arm64": "https://github.com/weaviate/weaviate/releases/download/v1.35.2/weaviate-v1.35.2-linux-arm64.tar.gz",
			},
			Bin: []Bin{{Path: "weaviate"}},
		},
	}
})
