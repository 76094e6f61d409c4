package packages

import (
	"strings"
	"sync"
)

// A Package is what an attribute stands for.
type Package struct {
	Attr   string
	Debian []string // the Debian packages; messages name the first

	// Programs are the programs that a definition may expect in bin, by name. A value
	// says where else to look: glob patterns of paths, and names of programs that can
	// stand in ("python" is "python3" on Debian).
	Programs map[string][]string
	// Dirs are patterns of folders all of whose programs are linked, such as Debian's
	// for PostgreSQL. Of several matches the newest version is used.
	Dirs []string
	// Links are other paths below the package, with their places on a system.
	Links map[string][]string

	Users []string // the users of its servers, in project.SystemUsers
	Keeps string   // a recipe that is not applied to images with this package
	// Data are patterns of what its programs open by name; folders with their content.
	// Reduced says that the list is complete, so that a minimal image needs only the
	// programs and this.
	Data    []string
	Reduced bool
	From    string // where to get it, if Debian has no package; then Debian is empty
	Wheel   string // the project in Python's index, if there is one
	// Source is the vendor's repository for images, and Vendor the packages there.
	// Archive is a file that a vendor publishes instead.
	Source  string
	Vendor  []string
	Archive *Archive
	// Admits restricts the versions of the packages; nil: any will do.
	Admits func(version string) bool
	Needs  []string // attributes of Debian packages that it does not run without
	Main   string   // the program that runs if only the package is named
	// Known is false for an attribute that is not in the table. It is taken for a Debian
	// package with one program, both of that name.
	Known bool
}

// entry is a row of the table: what can't be derived from the name. In programs,
// "python:python3" means that python3 can stand in for python.
type entry struct {
	debian   string // words; default: the attribute
	programs string // words; default: the attribute
	globs    string // words: folders to search for programs, besides PATH
	dirs     string // words: folders to link as a whole
	links    string // words: sub=path
	from     string // where to get it, when Debian has no package for it
	wheel    string // the project in Python's index
	source   string // "name: words": the vendor's repository, and the packages there; default: those of debian
	needs    string // words: attributes that it does not run without
	users    string // words: users of its servers
	keeps    string // a recipe; an alias has its own
	admits   func(version string) bool
}

// table has the attributes that definitions use, above all those of the service
// catalogue. An alias is a row that names another one: "@postgresql".
var table = sync.OnceValue(func() map[string]entry {
	return map[string]entry{
		// Shells, and tools that all scripts use.
		"bash":            {programs: "bash sh:bash"},
		"bashInteractive": {debian: "bash", programs: "bash sh:bash"},
		"dash":            {programs: "dash sh:dash"},
		"zsh":             {},
		"fish":            {},
		"coreutils": {programs: "cat ls cp mv rm mkdir rmdir ln chmod chown touch date sleep echo printf env head tail sort uniq wc cut tr tee tac " +
			"basename dirname realpath readlink stat true false test id whoami uname sync seq nproc mktemp mkfifo install timeout nohup sha256sum sha1sum md5sum " +
			"base64 df du dd expr fold join nice od paste shuf split stdbuf truncate tty yes"},
		"coreutils-full": {debian: "@coreutils"},
		"findutils":      {programs: "find xargs"},
		"gnugrep":        {debian: "grep", programs: "grep egrep fgrep"},
		"gnused":         {debian: "sed", programs: "sed"},
		"gawk":           {programs: "gawk awk:gawk"},
		"gnutar":         {debian: "tar", programs: "tar"},
		"gzip":           {programs: "gzip gunzip zcat"},
		"bzip2":          {programs: "bzip2 bunzip2"},
		"xz":             {debian: "xz-utils", programs: "xz unxz"},
		"zstd":           {programs: "zstd unzstd"},
		"unzip":          {},
		"zip":            {},
		"diffutils":      {programs: "diff cmp"},
		"patch":          {},
		"which":          {debian: "debianutils", programs: "which"},
		"less":           {},
		"file":           {},
		"tree":           {},
		"ripgrep":        {programs: "rg"},
		"fd":             {debian: "fd-find", programs: "fd:fdfind"},
		"bat":            {programs: "bat:batcat"},
		"fzf":            {},
		"jq":             {},
		"yq-go":          {debian: "yq", programs: "yq"},
		"moreutils":      {programs: "sponge ts chronic"},
		"procps":         {programs: "ps top free pgrep pkill pidof watch uptime vmstat kill"},
		"psmisc":         {programs: "killall fuser pstree"},
		"util-linux":     {programs: "mount umount lsblk flock setsid unshare nsenter setpriv script findmnt"},
		"htop":           {},
		"btop":           {},
		"nvtopPackages":  {debian: "nvtop", programs: "nvtop"},
		"tmux":           {},
		"screen":         {},
		"vim":            {programs: "vim vi:vim"},
		"neovim":         {programs: "nvim"},
		"nano":           {},
		"gnupg":          {programs: "gpg gpg-agent"},
		"age":            {programs: "age age-keygen"},
		"openssl":        {},
		"cacert": {debian: "ca-certificates", programs: "-",
			links: "/etc/ssl/certs/ca-bundle.crt=/etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt"},
		"tzdata":         {programs: "-", links: "/share/zoneinfo=/usr/share/zoneinfo"},
		"mailcap":        {debian: "media-types", programs: "-", links: "/etc/mime.types=/etc/mime.types /etc/nginx/mime.types=/etc/nginx/mime.types"}, // the second is nginx's own
		"tini":           {},
		"dumb-init":      {},
		"gosu":           {},
		"su-exec":        {debian: "gosu", programs: "su-exec:gosu"},
		"sudo":           {},
		"shadow":         {debian: "passwd", programs: "useradd usermod groupadd su passwd"},
		"strace":         {},
		"lsof":           {},
		"iproute2":       {programs: "ip ss"},
		"iputils":        {debian: "iputils-ping", programs: "ping"},
		"inetutils":      {debian: "inetutils-tools", programs: "hostname telnet ping"},
		"nettools":       {debian: "net-tools", programs: "netstat ifconfig route"},
		"netcat":         {debian: "netcat-openbsd", programs: "nc netcat:nc"},
		"netcat-openbsd": {programs: "nc netcat:nc"},
		"fcgi":           {debian: "libfcgi-bin", programs: "cgi-fcgi"},
		"netcat-gnu":     {debian: "netcat-traditional", programs: "nc netcat:nc"},
		"socat":          {},
		"dnsutils":       {programs: "dig nslookup host"},
		"iptables":       {},
		"curl":           {},
		"wget":           {},
		"httpie":         {programs: "http https"},
		"rsync":          {},
		"openssh": {debian: "openssh-client openssh-server", programs: "ssh scp sftp ssh-keygen ssh-agent ssh-add ssh-keyscan sshd",
			globs: "/usr/sbin"},
		"tailscale":   {programs: "tailscale tailscaled", globs: "/usr/sbin", source: "tailscale: tailscale", from: "https://tailscale.com/download/linux"},
		"restic":      {},
		"rclone":      {},
		"ffmpeg":      {programs: "ffmpeg ffprobe"},
		"imagemagick": {programs: "convert identify magick:convert"},
		"graphviz":    {programs: "dot"},
		"pandoc":      {},
		"awscli2":     {debian: "awscli", programs: "aws"},
		"awscli":      {programs: "aws"},

		// Languages and builders.
		"python3":        {debian: "python3 python-is-python3", programs: "python3 python:python3 pydoc3 pip3 pip:pip3"},
		"python":         {debian: "@python3"},
		"python39":       {debian: "python3.9", programs: "python3.9 python3:python3.9 python:python3.9"},
		"python310":      {debian: "python3.10", programs: "python3.10 python3:python3.10 python:python3.10"},
		"python311":      {debian: "python3.11", programs: "python3.11 python3:python3.11 python:python3.11"},
		"python312":      {debian: "python3.12", programs: "python3.12 python3:python3.12 python:python3.12"},
		"python313":      {debian: "python3.13", programs: "python3.13 python3:python3.13 python:python3.13"},
		"python314":      {debian: "python3.14", programs: "python3.14 python3:python3.14 python:python3.14"},
		"uv":             {programs: "uv uvx"},
		"poetry":         {debian: "python3-poetry", programs: "poetry"},
		"pipx":           {},
		"mlflow-server":  {users: "mlflow", programs: "mlflow", from: "https://mlflow.org", wheel: "mlflow"},
		"nodejs":         {programs: "node npm npx corepack"},
		"nodejs_18":      {debian: "@nodejs"},
		"nodejs_20":      {debian: "@nodejs"},
		"nodejs_22":      {debian: "@nodejs"},
		"nodejs_24":      {debian: "@nodejs"},
		"nodejs-slim":    {debian: "@nodejs"},
		"yarn":           {debian: "yarnpkg", programs: "yarn:yarnpkg"},
		"pnpm":           {},
		"bun":            {},
		"deno":           {},
		"go":             {debian: "golang-go", programs: "go gofmt", globs: "/usr/local/go/bin /usr/lib/go-*/bin"},
		"rustc":          {programs: "rustc"},
		"cargo":          {},
		"gcc":            {programs: "gcc g++ cc:gcc c++:g++"},
		"clang":          {programs: "clang clang++"},
		"gnumake":        {debian: "make", programs: "make"},
		"cmake":          {programs: "cmake ctest"},
		"ninja":          {debian: "ninja-build", programs: "ninja"},
		"pkg-config":     {},
		"gdb":            {},
		"git":            {},
		"git-lfs":        {},
		"gh":             {},
		"ruby":           {programs: "ruby gem irb"},
		"perl":           {},
		"php":            {users: "www-data", debian: "php-cli php-fpm", programs: "php:php?.? php-fpm:php-fpm?.?", globs: "/usr/bin /usr/sbin"},
		"lua":            {debian: "lua5.4", programs: "lua:lua5.4"},
		"openjdk":        {debian: "default-jre-headless", programs: "java", globs: "/usr/lib/jvm/*/bin"},
		"jdk":            {debian: "default-jdk-headless", programs: "java javac jar"},
		"jre":            {debian: "@openjdk"},
		"jre_headless":   {debian: "@openjdk"},
		"jdk17":          {debian: "openjdk-17-jdk-headless", programs: "java javac jar", globs: "/usr/lib/jvm/java-17-*/bin"},
		"dotnet-runtime": {programs: "dotnet"},
		"erlang":         {debian: "erlang-base", programs: "erl erlc epmd"},
		"elixir":         {programs: "elixir iex mix"},
		"hello":          {},
		"cowsay":         {globs: "/usr/games"},

		// Servers of the catalogue, and their clients.
		"postgresql": {users: "postgres", debian: "postgresql", dirs: "/usr/lib/postgresql/*/bin /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin",
			programs: "postgres initdb psql pg_ctl pg_isready createdb pg_dump pg_restore"},
		"postgresql_13":     {users: "postgres", debian: "postgresql-13", dirs: "/usr/lib/postgresql/13/bin", programs: "-"},
		"postgresql_14":     {users: "postgres", debian: "postgresql-14", dirs: "/usr/lib/postgresql/14/bin", programs: "-"},
		"postgresql_15":     {users: "postgres", debian: "postgresql-15", dirs: "/usr/lib/postgresql/15/bin", programs: "-"},
		"postgresql_16":     {users: "postgres", debian: "postgresql-16", dirs: "/usr/lib/postgresql/16/bin", programs: "-"},
		"postgresql_17":     {users: "postgres", debian: "postgresql-17", dirs: "/usr/lib/postgresql/17/bin", programs: "-"},
		"postgresql_18":     {users: "postgres", debian: "postgresql-18", dirs: "/usr/lib/postgresql/18/bin", programs: "-"},
		"postgresql_jit":    {debian: "@postgresql", keeps: "jit"},
		"postgresql_13_jit": {debian: "@postgresql_13", keeps: "jit"},
		"postgresql_14_jit": {debian: "@postgresql_14", keeps: "jit"},
		"postgresql_15_jit": {debian: "@postgresql_15", keeps: "jit"},
		"postgresql_16_jit": {debian: "@postgresql_16", keeps: "jit"},
		"postgresql_17_jit": {debian: "@postgresql_17", keeps: "jit"},
		"postgresql_18_jit": {debian: "@postgresql_18", keeps: "jit"},
		"pgbouncer":         {users: "pgbouncer", globs: "/usr/sbin"},
		"pgcli":             {},
		"sqlite":            {debian: "sqlite3", programs: "sqlite3"},
		"redis":             {users: "redis", debian: "redis-server", programs: "redis-server redis-cli redis-benchmark redis-sentinel redis-check-aof redis-check-rdb"},
		"valkey":            {debian: "valkey-server", programs: "valkey-server valkey-cli"},
		"mariadb": {users: "mysql", debian: "mariadb-server", globs: "/usr/sbin", links: "/lib/galera=/usr/lib/galera",
			programs: "mariadbd mysqld:mariadbd mysql_install_db:mariadb-install-db mariadb-install-db mysql:mariadb mariadb mysqladmin:mariadb-admin mariadb-admin mysqldump:mariadb-dump mariadb-tzinfo-to-sql"},
		"mysql":      {debian: "@mariadb"},
		"mysql80":    {users: "mysql", debian: "mysql-server", programs: "mysqld mysql mysqladmin mysqldump mysql_tzinfo_to_sql", globs: "/usr/sbin"},
		"mysql84":    {debian: "@mysql80"},
		"clickhouse": {users: "clickhouse", programs: "clickhouse clickhouse-server clickhouse-client", source: "clickhouse: clickhouse-server clickhouse-client", from: "https://clickhouse.com/docs/install"},
		"mongodb":    {users: "mongodb", programs: "mongod mongosh", source: "mongodb: mongodb-org", from: "https://www.mongodb.com/docs/manual/installation/"},
		"mongodb-ce": {debian: "@mongodb"},
		"elasticsearch": {users: "elasticsearch", globs: "/usr/share/elasticsearch/bin", source: "elastic: elasticsearch",
			from: "https://www.elastic.co/guide/en/elasticsearch/reference/current/install-elasticsearch.html"},
		"elasticsearch7": {debian: "@elasticsearch"},
		"cassandra":      {users: "cassandra", globs: "/opt/cassandra/bin /usr/sbin", needs: "jre", from: "https://cassandra.apache.org/doc/latest/cassandra/installing/installing.html"},
		"qdrant":         {users: "qdrant", from: "https://qdrant.tech/documentation/guides/installation/"},
		"weaviate":       {users: "weaviate", from: "https://docs.weaviate.io/deploy"},
		"chromadb":       {users: "chromadb", programs: "chroma", wheel: "chromadb", from: "https://docs.trychroma.com/docs/overview/getting-started"},
		"neo4j":          {users: "neo4j", programs: "neo4j neo4j-admin", globs: "/usr/share/neo4j/bin /opt/neo4j/bin", needs: "jre", from: "https://neo4j.com/docs/operations-manual/current/installation/"},
		"open-webui":     {users: "open-webui", wheel: "open-webui", from: "https://docs.openwebui.com/getting-started/quick-start/"},
		"pgadmin4":       {users: "pgadmin", programs: "pgadmin4 pgadmin4-cli", globs: "/usr/pgadmin4/bin", needs: "python3", wheel: "pgadmin4", from: "https://www.pgadmin.org/download/"},
		"searxng":        {users: "searxng", programs: "searxng-run", from: "https://docs.searxng.org/admin/installation.html"},
		"tika":           {users: "tika", programs: "tika-server", needs: "jre", from: "https://tika.apache.org/download.html"},
		"tesseract":      {debian: "tesseract-ocr"},
		"google-cloud-sdk": {users: "pubsub-emulator", programs: "gcloud cloud-pubsub-emulator", globs: "/usr/lib/google-cloud-sdk/bin /usr/lib/google-cloud-sdk/platform/pubsub-emulator/bin",
			source: "google-cloud: google-cloud-cli-pubsub-emulator", needs: "jre", from: "https://cloud.google.com/pubsub/docs/emulator"},
		"memcached":     {users: "memcache"},
		"nginx":         {users: "www-data", globs: "/usr/sbin /usr/local/nginx/sbin", links: "/conf/mime.types=/etc/nginx/mime.types /conf/fastcgi_params=/etc/nginx/fastcgi_params /conf/fastcgi.conf=/etc/nginx/fastcgi.conf"},
		"nginxStable":   {debian: "@nginx"},
		"nginxMainline": {debian: "@nginx"},
		"apacheHttpd": {users: "www-data", debian: "apache2", programs: "httpd:apache2 apachectl htpasswd", globs: "/usr/sbin",
			links: "/modules=/usr/lib/apache2/modules"},
		"apacheHttpd_2_4":          {debian: "@apacheHttpd"},
		"caddy":                    {users: "caddy"},
		"haproxy":                  {globs: "/usr/sbin"},
		"traefik":                  {},
		"varnish":                  {programs: "varnishd varnishadm", globs: "/usr/sbin"},
		"prometheus":               {users: "prometheus", programs: "prometheus promtool"},
		"prometheus-node-exporter": {users: "node-exporter", programs: "node_exporter:prometheus-node-exporter"},
		"prometheus-alertmanager":  {users: "alertmanager", programs: "alertmanager:prometheus-alertmanager amtool"},
		"grafana": {users: "grafana", programs: "grafana grafana-server grafana-cli", globs: "/usr/share/grafana/bin /usr/sbin", links: "/share/grafana=/usr/share/grafana",
			source: "grafana: grafana", from: "https://grafana.com/docs/grafana/latest/setup-grafana/installation/"},
		"jupyter":              {debian: "jupyter-notebook", programs: "jupyter jupyter-notebook jupyter-lab"},
		"azurite":              {users: "azurite", from: "https://www.npmjs.com/package/azurite", needs: "nodejs"},
		"comfyui":              {from: "https://github.com/comfyanonymous/ComfyUI"},
		"vllm":                 {from: "https://docs.vllm.ai", wheel: "vllm"},
		"jaeger":               {users: "jaeger", programs: "jaeger-all-in-one", from: "https://www.jaegertracing.io/download/"},
		"dynalite":             {users: "dynamodb", from: "https://www.npmjs.com/package/dynalite", needs: "nodejs"},
		"dynamodb-local":       {users: "dynamodb", from: "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.html", needs: "jre"},
		"loki":                 {users: "loki", programs: "loki promtail", source: "grafana: loki promtail", from: "https://grafana.com/docs/loki/latest/setup/install/"},
		"grafana-loki":         {debian: "@loki"},
		"grafana-alloy":        {users: "alloy", programs: "alloy", source: "grafana: alloy", from: "https://grafana.com/docs/alloy/latest/set-up/install/"},
		"tempo":                {users: "tempo", from: "https://grafana.com/docs/tempo/latest/setup/"},
		"pyroscope":            {users: "pyroscope", source: "grafana: pyroscope", from: "https://grafana.com/docs/pyroscope/latest/get-started/"},
		"mailpit":              {users: "mailpit", from: "https://mailpit.axllent.org/docs/install/"},
		"mailhog":              {debian: "@mailpit"},
		"seaweedfs":            {users: "seaweedfs", programs: "weed", from: "https://github.com/seaweedfs/seaweedfs/releases"},
		"plantuml":             {users: "plantuml", needs: "jre", from: "https://plantuml.com/download"},
		"elasticmq-server-bin": {users: "elasticmq", programs: "elasticmq-server", needs: "jre", from: "https://github.com/softwaremill/elasticmq/releases"},
		"rabbitmq-server":      {users: "rabbitmq", dirs: "/usr/lib/rabbitmq/bin", globs: "/usr/sbin", programs: "rabbitmq-server rabbitmqctl rabbitmq-diagnostics rabbitmq-plugins"},
		"apacheKafka": {users: "kafka", programs: "kafka-server-start.sh kafka-storage.sh kafka-topics.sh", globs: "/opt/kafka*/bin /usr/share/kafka/bin",
			needs: "jre", from: "https://kafka.apache.org/downloads"},
		"zookeeper": {users: "zookeeper", programs: "zkServer.sh zkCli.sh", globs: "/usr/share/zookeeper/bin", needs: "jre",
			links: "/share/java/zookeeper.jar=/usr/share/java/zookeeper.jar /share/java/slf4j-simple.jar=/usr/share/java/slf4j-simple.jar"},
		"nats-server":     {users: "nats", globs: "/usr/sbin"},
		"natscli":         {programs: "nats"},
		"mosquitto":       {globs: "/usr/sbin"},
		"minio":           {users: "minio", from: "https://min.io/download"},
		"minio-client":    {programs: "mc"},
		"ollama":          {users: "ollama", from: "https://ollama.com/download"},
		"etcd":            {users: "etcd", debian: "etcd-server etcd-client", programs: "etcd etcdctl"},
		"consul":          {},
		"vault":           {},
		"victoriametrics": {debian: "victoria-metrics", programs: "victoria-metrics"},

		// GPUs. The driver's programs come with the driver, from the host or the
		// container runtime.
		"linuxPackages.nvidia_x11": {debian: "nvidia-smi", programs: "nvidia-smi"},
		"nvidia-docker":            {debian: "nvidia-container-toolkit", programs: "nvidia-container-cli nvidia-ctk"},
		"pciutils":                 {programs: "lspci"},
	}
})

// sets are attributes that are sets of packages. The function makes the row of a child
// that the table does not have.
var sets = sync.OnceValue(func() map[string]func(child string) entry {
	return map[string]func(child string) entry{
		"python3Packages":   pythonPackage,
		"python311Packages": pythonPackage,
		"python312Packages": pythonPackage,
		"python313Packages": pythonPackage,
		"nodePackages":      func(child string) entry { return entry{debian: "node-" + child, programs: child} },
		"perlPackages": func(child string) entry {
			return entry{debian: "lib" + strings.ToLower(child) + "-perl", programs: "-"}
		},
		"linuxPackages": func(child string) entry { return entry{programs: child} },
		"xorg":          func(child string) entry { return entry{programs: child} },
		"darwin":        func(child string) entry { return entry{programs: child} },
		"cudaPackages":  func(child string) entry { return cudaPackage(CUDAVersion("cudaPackages"), child) },

		"postgresqlPackages":   extension(anyMajor),
		"postgresql13Packages": extension("13"),
		"postgresql14Packages": extension("14"),
		"postgresql15Packages": extension("15"),
		"postgresql16Packages": extension("16"),
		"postgresql17Packages": extension("17"),
		"postgresql18Packages": extension("18"),
	}
})

func pythonPackage(child string) entry {
	return entry{debian: "python3-" + strings.ToLower(strings.ReplaceAll(child, "_", "-")), programs: child + "?"}
}
