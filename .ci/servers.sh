#!/usr/bin/env bash
# Real servers for the integration suites: Kafka in KRaft mode (jars by Maven, versions pinned in kafka/pom.xml) and
# Redis, all on free loopback ports, all with their data in a folder that is removed afterwards.
#
#   servers.sh with COMMAND...           start one broker and one Redis, run COMMAND, stop them
#   servers.sh with-several COMMAND...   the same with two brokers and two copies of everything, and a Redis Cluster of three
#                                        masters with a replica each
#   servers.sh start | start-several     start them and print the settings as shell assignments
#   servers.sh stop                      stop what start started
#   servers.sh kill NAME                 kill -9 one of them, so that it is gone when this returns
#   servers.sh again NAME                start one of them again, on its data
#   servers.sh suites [FLAGS...]         run the suites that use them, under with or with-several; FLAGS go to go test
#   servers.sh integration               run the suites under with, then under with-several; where TEST_KAFKA and TEST_REDIS name servers
#                                        already, once on those, and start none: what kills servers, and what wants secured ones, is skipped
#   servers.sh jars                      fetch Kafka's jars and print their folder, for softrec chaos --kafka-libs
#
# What COMMAND finds in its environment:
#
#   TEST_KAFKA, TEST_REDIS   addresses, with commas between them; several of Redis are a cluster
#   TEST_SERVERS             this script, for kill and again
#   TEST_SHAPE               one or several
# and beside one broker and one Redis, as that costs little:
#   TEST_SECURED             folder with ca.pem, client.pem, client.key, and the files kafka, redis (addresses), user and password:
#                            the broker's second listener (TLS, SASL) and a second Redis (TLS, ACL user) take these. The broker has
#                            ACLs: that user may do all, the one in the file limited (same password) what a test allows it
#   TEST_VALKEY              address of a Valkey, which has WAITAOF; not set where there is none for this machine
#   TEST_SENTINELS           addresses of three sentinels; the master "recommendations" with two replicas is theirs
#
# Names: kafka-1 (broker and controller), kafka-2, redis-1 to redis-6, redis-secured, valkey, watched-1 to watched-3 (watched-1 is the first
# master), sentinel-1 to sentinel-3.
#
# Needs Java 17 or later, Maven (or the jars from an earlier run), openssl, redis-server and redis-cli, or Valkey's. A Valkey beside the
# Redis is the one of the system or, on Debian 12 (amd64), fetched by curl from where the system gets Debian and unpacked with dpkg,
# pinned below; it needs the libraries of Debian's redis-server.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
work=${SERVERS_DIR:-$here/work}
libs=$work/kafka-libs
run=$work/servers
user=softrec
limited=limited
password='Open-Sesame.4711'

say() { printf '%s\n' "$*" >&2; }
die() { say "servers.sh: $*"; exit 1; }

# free_port sets port to a loopback port nobody listens on and that was not given out before. It is free when asked, not reserved:
# the servers fail loudly if someone takes it in between. A cluster node takes the one 10000 above, too.
given=' '
free_port() {
	local _
	for _ in $(seq 100); do
		port=$((10000 + RANDOM % 2400 * 5))
		case $given in *" $port "*) continue ;; esac
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || (exec 3<>"/dev/tcp/127.0.0.1/$((port + 10000))") 2>/dev/null && continue
		given+="$port $((port + 10000)) "
		return
	done
	die "no free port found"
}

fetch_kafka() {
	local wanted=$work/kafka-pom.xml
	if [ -d "$libs" ] && cmp -s "$here/kafka/pom.xml" "$wanted"; then return; fi
	command -v mvn >/dev/null || die "mvn is missing: install Maven"
	say "fetching the Kafka broker"
	rm -rf "$libs" && mkdir -p "$libs"
	mvn -q -B -Dstyle.color=never -f "$here/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >&2
	cp "$here/kafka/pom.xml" "$wanted"
}

# Debian's backports of Valkey 8.0.1, the oldest that runs here and has WAITAOF: file and SHA-256.
valkey_debs=(
	"valkey-server_8.0.1+dfsg1-1~bpo12+1_amd64.deb 986d97e75766d9b18c56159dd904337ec0a1222977235cad7ba56ddc4fd856eb"
	"valkey-tools_8.0.1+dfsg1-1~bpo12+1_amd64.deb d2c2ea67642fa9571a07138b80ae52ebe566311c952aef25a39c1d5050697853"
)

# debian prints where the system gets Debian from.
debian() { apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk '$1 == "bookworm" { print $2; exit }'; }

# fetch_valkey sets valkey to a valkey-server that runs, and to nothing where there is none to be had.
fetch_valkey() {
	local dir=$work/valkey one file sum pool
	valkey=$(command -v valkey-server) && return
	valkey=$dir/usr/bin/valkey-server
	if "$valkey" --version >/dev/null 2>&1; then return; fi
	say "fetching Valkey"
	rm -rf "$dir" && mkdir -p "$dir"
	pool=$(debian || true)pool/main/v/valkey
	for one in "${valkey_debs[@]}"; do
		read -r file sum <<<"$one"
		if ! { curl -fsSL --retry 3 -o "$dir/$file" "$pool/$file" && echo "$sum  $dir/$file" | sha256sum -c --quiet && dpkg -x "$dir/$file" "$dir"; } >&2; then
			valkey=
			break
		fi
	done
	if [ -z "$valkey" ] || ! "$valkey" --version >/dev/null 2>&1; then
		valkey=
		say "NO VALKEY: what is tested on one is left out (TEST_VALKEY)"
	fi
}

# launch starts the server NAME by its script, whose process becomes the server's.
launch() { # name
	bash "$run/$1.sh" >>"$run/$1.log" 2>&1 </dev/null &
	echo $! >"$run/$1.pid"
}

# define writes the script that starts NAME.
define() { # name, command...
	local name=$1
	shift
	printf 'exec %s\n' "$(printf '%q ' "$@")" >"$run/$name.sh"
}

kafka_properties() { # number, copies, controller's port; ports[] by number
	local roles=broker listeners="BROKER://127.0.0.1:${ports[$1]}" advertised
	advertised=$listeners
	if [ -n "${secured:-}" ]; then
		listeners+=",SECURED://127.0.0.1:$secured"
		advertised=$listeners
	fi
	if [ "$1" = 1 ]; then
		roles=broker,controller
		listeners+=",CONTROLLER://127.0.0.1:$3"
	fi
	cat <<-PROPERTIES
	process.roles=$roles
	node.id=$1
	controller.quorum.voters=1@127.0.0.1:$3
	controller.listener.names=CONTROLLER
	listeners=$listeners
	advertised.listeners=$advertised
	inter.broker.listener.name=BROKER
	listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
	log.dirs=$run/kafka-$1
	num.partitions=4
	default.replication.factor=$2
	min.insync.replicas=1
	offsets.topic.replication.factor=$2
	offsets.topic.num.partitions=4
	transaction.state.log.replication.factor=$2
	transaction.state.log.min.isr=1
	transaction.state.log.num.partitions=2
	share.coordinator.state.topic.replication.factor=$2
	share.coordinator.state.topic.min.isr=1
	share.coordinator.state.topic.num.partitions=1
	group.initial.rebalance.delay.ms=0
	group.min.session.timeout.ms=1000
	broker.session.timeout.ms=3000
	broker.heartbeat.interval.ms=500
	auto.create.topics.enable=false
	log.cleaner.enable=false
	log.cleaner.dedupe.buffer.size=8388608
	num.network.threads=2
	num.io.threads=4
	PROPERTIES
	[ -z "${secured:-}" ] || cat <<-PROPERTIES
	authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
	super.users=User:ANONYMOUS;User:$user
	listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
	listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_$user="$password";
	listener.name.secured.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
	listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
	listener.name.secured.ssl.client.auth=required
	listener.name.secured.ssl.keystore.type=PEM
	listener.name.secured.ssl.keystore.location=$run/secured/server.both.pem
	listener.name.secured.ssl.truststore.type=PEM
	listener.name.secured.ssl.truststore.location=$run/secured/ca.pem
	PROPERTIES
}

start_kafka() { # number, copies, controller's port
	local name=kafka-$1 logins=()
	local java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*")
	kafka_properties "$@" >"$run/$name.properties"
	[ -z "${secured:-}" ] || logins=(--add-scram "SCRAM-SHA-256=[name=$user,password=$password]" --add-scram "SCRAM-SHA-512=[name=$user,password=$password]"
		--add-scram "SCRAM-SHA-512=[name=$limited,password=$password]")
	"${java[@]}" -Xmx128m kafka.tools.StorageTool format -t 5L6g3nShT-eMCtK--X86sw -c "$run/$name.properties" "${logins[@]}" >"$run/$name.log" 2>&1 ||
		{ cat "$run/$name.log" >&2; die "Kafka's data folder cannot be made"; }
	define "$name" "${java[@]}" -Xms64m -Xmx256m kafka.Kafka "$run/$name.properties"
	launch "$name"
}

# start_redis starts NAME on port with the lines of its settings, which a sentinel and a cluster node write to.
start_redis() { # name, port, settings...
	local name=$1 server=$redis_server line
	[ "$name" != valkey ] || server=$valkey
	mkdir -p "$run/$name"
	{
		printf 'bind 127.0.0.1\ndir %s\n' "$run/$name"
		[[ $name == sentinel-* ]] || printf 'appendonly yes\nappendfsync everysec\nsave ""\n'
		[ "$2" = tls ] || printf 'port %s\n' "$2"
		shift 2
		for line in "$@"; do printf '%s\n' "$line"; done
	} >"$run/$name.conf"
	if [[ $name == sentinel-* ]]; then
		define "$name" "$server" "$run/$name.conf" --sentinel
	else
		define "$name" "$server" "$run/$name.conf"
	fi
	launch "$name"
}

# certificates makes an authority, and certificates by it for the servers and for softrec.
certificates() {
	local dir=$run/secured one
	mkdir -p "$dir"
	(
		cd "$dir"
		for one in ca server client; do openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$one.key"; done
		openssl req -x509 -new -key ca.key -days 2 -subj "/CN=softrec tests" -out ca.pem
		for one in server client; do
			openssl req -new -key "$one.key" -subj "/CN=$one" -out "$one.csr"
			openssl x509 -req -in "$one.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$one.pem"
		done
		cat server.key server.pem >server.both.pem
		printf '%s\n' "$user" >user
		printf '%s\n' "$limited" >limited
		printf '%s\n' "$password" >password
	) >"$run/certificates.log" 2>&1 || { cat "$run/certificates.log" >&2; die "openssl cannot make certificates"; }
}

# until_true tries COMMAND for a minute.
until_true() { # what, command...
	local what=$1 _
	shift
	for _ in $(seq 300); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.2
	done
	die "$what: not within a minute"
}

says() { # port, words to find, command...
	local at=$1 wanted=$2
	shift 2
	"$redis_cli" -p "$at" "$@" | tr -d '\r' | grep -q -- "$wanted"
}

# start_secured starts a Redis that wants TLS, a client's certificate and a login.
start_secured() {
	free_port
	secured_redis=$port
	# The rights are those of docs/operations.md.
	start_redis redis-secured tls "port 0" "tls-port $port" "tls-cert-file $run/secured/server.pem" "tls-key-file $run/secured/server.key" \
		"tls-ca-cert-file $run/secured/ca.pem" "tls-auth-clients yes" "requirepass another-$password" \
		"user $user on >$password ~softrec:* +@read +@write +@connection +@transaction +@scripting +info"
	echo "127.0.0.1:$secured_redis" >"$run/secured/redis"
	echo "127.0.0.1:$secured" >"$run/secured/kafka"
}

# start_valkey starts a Valkey beside the Redis, where there is one.
start_valkey() {
	fetch_valkey
	[ -n "$valkey" ] || return 0
	free_port
	start_redis valkey "$port"
	until_true "Valkey on $port" says "$port" PONG ping
	settings+=" TEST_VALKEY=127.0.0.1:$port"
}

# start_watched starts a master, two replicas and three sentinels.
start_watched() {
	local i master
	watched_ports=()
	for i in 1 2 3; do
		free_port
		watched_ports+=("$port")
		master=${watched_ports[0]}
		if [ "$i" = 1 ]; then
			start_redis "watched-$i" "$port" "repl-diskless-sync-delay 0"
		else
			start_redis "watched-$i" "$port" "repl-diskless-sync-delay 0" "replicaof 127.0.0.1 $master"
		fi
	done
	sentinel_ports=()
	for i in 1 2 3; do
		free_port
		sentinel_ports+=("$port")
		start_redis "sentinel-$i" "$port" "sentinel monitor recommendations 127.0.0.1 $master 2" \
			"sentinel down-after-milliseconds recommendations 8000" "sentinel failover-timeout recommendations 16000" "sentinel parallel-syncs recommendations 2"
	done
}

await_watched() {
	local at
	for at in "${sentinel_ports[@]}"; do
		until_true "sentinel on $at" says "$at" '^OK' sentinel ckquorum recommendations
		until_true "replicas of the sentinel on $at" says "$at" 'slaves=2,sentinels=3' info sentinel
	done
}

start() { # one or several
	local i names=() brokers='' nodes=() addrs port controller secured='' secured_redis ports=() copies=1
	compgen -G "$run/*.pid" >/dev/null && die "already started: run servers.sh stop first"
	redis_server=$(command -v redis-server || command -v valkey-server) || die "redis-server is missing: install Redis or Valkey"
	redis_cli=$(command -v redis-cli || command -v valkey-cli) || die "redis-cli is missing: install redis-tools or Valkey's"
	fetch_kafka
	mkdir -p "$run"
	free_port
	controller=$port
	local count=1 redises=1
	if [ "$1" = several ]; then count=2 copies=2 redises=6; fi
	if [ "$1" = one ]; then
		certificates
		free_port
		secured=$port
	fi
	for i in $(seq "$count"); do
		free_port
		ports[i]=$port
		brokers+=${brokers:+,}127.0.0.1:$port
	done
	for i in $(seq "$count"); do start_kafka "$i" "$copies" "$controller"; done
	for i in $(seq "$redises"); do
		free_port
		nodes+=("127.0.0.1:$port")
		if [ "$1" = several ]; then
			start_redis "redis-$i" "$port" "cluster-enabled yes" "cluster-node-timeout 10000" "repl-diskless-sync-delay 0"
		else
			start_redis "redis-$i" "$port"
		fi
	done
	addrs=$(IFS=,; echo "${nodes[*]}")
	local sentinels='' settings="TEST_KAFKA=$brokers TEST_REDIS=$addrs TEST_SHAPE=$1 TEST_SERVERS=$here/servers.sh"
	if [ "$1" = one ]; then
		start_secured
		start_watched
		start_valkey
		sentinels=$(printf ',127.0.0.1:%s' "${sentinel_ports[@]}")
		settings+=" TEST_SECURED=$run/secured TEST_SENTINELS=${sentinels#,}"
	else
		for i in "${nodes[@]}"; do until_true "Redis on $i" says "${i#*:}" PONG ping; done
		"$redis_cli" --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$run/cluster.log" 2>&1 || { cat "$run/cluster.log" >&2; die "the cluster cannot be made"; }
		for i in "${nodes[@]}"; do until_true "cluster at $i" says "${i#*:}" cluster_state:ok cluster info; done
	fi
	say "waiting for Kafka on $brokers and Redis on $addrs"
	# A log line proves nothing: ask the servers until they answer.
	if ! (cd "$root" && go run ./cmd/softrec wait --kafka-brokers "$brokers" --redis-addrs "$addrs" --for 90s >&2); then
		tail -n 20 "$run"/*.log >&2
		stop
		die "the servers do not answer"
	fi
	[ "$1" != one ] || await_watched
	printf 'export %s\n' "$settings"
}

# alive does not count who has ended and waits for a parent to notice.
alive() {
	kill -0 "$1" 2>/dev/null || return 1
	[ ! -r "/proc/$1/stat" ] || [[ $(cat "/proc/$1/stat" 2>/dev/null) != *') Z '* ]]
}

# gone waits until the process is gone, for so many tenths of a second.
gone() { # pid, tenths
	local _
	for _ in $(seq "$2"); do
		alive "$1" || return 0
		sleep 0.1
	done
	return 1
}

stop() {
	local file pids=() pid
	for file in "$run"/*.pid; do
		[ -e "$file" ] || continue
		pid=$(cat "$file")
		kill "$pid" 2>/dev/null || true
		pids+=("$pid")
	done
	for pid in "${pids[@]}"; do
		gone "$pid" 100 || kill -9 "$pid" 2>/dev/null || true
	done
	rm -rf "$run"
}

known() { [ -e "$run/${1:-}.sh" ] || die "no server is called ${1:-\"\"}"; }

# packages lists the Go packages below the folders given that have tests for these servers.
packages() {
	grep -rlE 'TEST_(KAFKA|REDIS|SECURED|SENTINELS|SERVERS|VALKEY)' --include='*_test.go' "$@" | xargs -r -n1 dirname | sort -u | sed 's|^|./|'
}

# on_valkey are the tests of what Redis keeps: scripts, codecs, deaths. What is Kafka's alone has been tried on Redis.
on_valkey='^Test(Store|Names|Replay|Batches|UsersCommute|Consumer_(windowsEqualTheOracle|waitsForRedis|redisIsPutBack))'

# suites runs the packages that own what is in Kafka and Redis as a whole, and of the commands only what is about servers.
suites() {
	local test
	read -ra test <<<"${TEST:-go test}"
	cd "$root"
	# shellcheck disable=SC2046
	"${test[@]}" -count=1 -p 1 -timeout 15m "$@" $(packages ingest trainer)
	# shellcheck disable=SC2046
	"${test[@]}" -count=1 -p 1 -timeout 10m -run 'RealServers|Links' "$@" $(packages cmd)
	[ -z "${TEST_VALKEY:-}" ] || TEST_REDIS=$TEST_VALKEY "${test[@]}" -count=1 -p 1 -timeout 10m -run "$on_valkey" "$@" ./ingest/window ./ingest/catalog ./ingest
}

# own_servers are the tests that have servers of their own whatever the environment says: once is enough.
own_servers='^(TestKill$|TestSoak|TestSecured|TestSASL|Example|Fuzz)'

# integration runs the suites on the servers that the environment names, or else on both shapes of its own.
integration() {
	if [ -z "${TEST_KAFKA:-}${TEST_REDIS:-}" ]; then
		bash "$here/servers.sh" with "$here/servers.sh" suites
		bash "$here/servers.sh" with-several "$here/servers.sh" suites -skip "$own_servers"
		return
	fi
	[ -n "${TEST_KAFKA:-}" ] && [ -n "${TEST_REDIS:-}" ] || die "integration: set both TEST_KAFKA and TEST_REDIS, or neither"
	say "on the servers that are given: TEST_KAFKA=$TEST_KAFKA TEST_REDIS=$TEST_REDIS; none is started"
	suites
}

with() { # shape, command...
	local shape=$1 settings
	shift
	[ $# -gt 0 ] || die "with: no command given"
	! compgen -G "$run/*.pid" >/dev/null || die "already started: run servers.sh stop first" # those are somebody else's to stop
	trap stop EXIT
	settings=$(start "$shape")
	eval "$settings"
	"$@"
}

case ${1:-} in
with)
	shift
	with one "$@"
	;;
with-several)
	shift
	with several "$@"
	;;
start) start one ;;
start-several) start several ;;
stop) stop ;;
kill)
	known "${2:-}"
	pid=$(cat "$run/$2.pid")
	kill -9 "$pid"
	gone "$pid" 100 || die "$2 does not end"
	;;
again)
	known "${2:-}"
	! alive "$(cat "$run/$2.pid")" || die "$2 is running"
	launch "$2"
	;;
suites)
	shift
	suites "$@"
	;;
integration) integration ;;
jars)
	fetch_kafka
	printf '%s\n' "$libs"
	;;
*) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d'; exit 2 ;;
esac
