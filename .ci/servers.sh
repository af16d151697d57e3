#!/usr/bin/env bash
# Real servers for the integration suites: Kafka in KRaft mode (jars by Maven, versions pinned in kafka/pom.xml) and
# Redis, both on free loopback ports, both with their data in a folder that is removed afterwards.
#
#   servers.sh with COMMAND...   start them, run COMMAND with TEST_KAFKA and TEST_REDIS set, stop them
#   servers.sh start             start them and print the two settings as shell assignments
#   servers.sh stop              stop what start started
#   servers.sh packages          list the Go packages that have suites for them
#   servers.sh jars              fetch Kafka's jars and print their folder, for softrec chaos --kafka-libs
#
# Needs Java 17 or later, Maven (or the jars from an earlier run) and redis-server or valkey-server.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
work=${SERVERS_DIR:-$here/work}
libs=$work/kafka-libs
run=$work/servers

say() { printf '%s\n' "$*" >&2; }
die() { say "servers.sh: $*"; exit 1; }

# free_port prints a loopback port nobody listens on. It is free when asked, not reserved: both servers fail loudly if
# someone takes it in between.
free_port() {
	local port
	for _ in $(seq 100); do
		port=$((20000 + RANDOM % 12000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
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

kafka_properties() { # port, controller port
	cat <<-PROPERTIES
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:$2
	controller.listener.names=CONTROLLER
	listeners=BROKER://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
	advertised.listeners=BROKER://127.0.0.1:$1
	inter.broker.listener.name=BROKER
	listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
	log.dirs=$run/kafka
	num.partitions=4
	offsets.topic.replication.factor=1
	offsets.topic.num.partitions=4
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	transaction.state.log.num.partitions=2
	share.coordinator.state.topic.replication.factor=1
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
}

start_kafka() { # port
	local java=(java -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*")
	kafka_properties "$1" "$(free_port)" >"$run/kafka.properties"
	"${java[@]}" -Xmx128m kafka.tools.StorageTool format -t 5L6g3nShT-eMCtK--X86sw -c "$run/kafka.properties" >"$run/kafka.log" 2>&1 ||
		{ cat "$run/kafka.log" >&2; die "Kafka's data folder cannot be made"; }
	"${java[@]}" -Xms64m -Xmx384m kafka.Kafka "$run/kafka.properties" >>"$run/kafka.log" 2>&1 </dev/null &
	echo $! >"$run/kafka.pid"
}

start_redis() { # port
	local server
	server=$(command -v redis-server || command -v valkey-server) || die "redis-server is missing: install Redis or Valkey"
	mkdir -p "$run/redis"
	"$server" --port "$1" --bind 127.0.0.1 --dir "$run/redis" --appendonly yes --appendfsync everysec --save '' --daemonize no \
		>"$run/redis.log" 2>&1 </dev/null &
	echo $! >"$run/redis.pid"
}

start() {
	[ ! -e "$run/kafka.pid" ] && [ ! -e "$run/redis.pid" ] || die "already started: run servers.sh stop first"
	fetch_kafka
	mkdir -p "$run"
	local kafka redis
	kafka=$(free_port)
	redis=$(free_port)
	start_kafka "$kafka"
	start_redis "$redis"
	say "waiting for Kafka on $kafka and Redis on $redis"
	# A log line proves nothing: ask both servers until they answer.
	if ! (cd "$root" && go run ./cmd/softrec wait --kafka-brokers "127.0.0.1:$kafka" --redis-addrs "127.0.0.1:$redis" --for 90s >&2); then
		tail -n 20 "$run/kafka.log" "$run/redis.log" >&2
		stop
		die "the servers do not answer"
	fi
	printf 'export TEST_KAFKA=127.0.0.1:%s TEST_REDIS=127.0.0.1:%s\n' "$kafka" "$redis"
}

stop_one() { # name
	local pid
	[ -e "$run/$1.pid" ] || return 0
	pid=$(cat "$run/$1.pid")
	kill "$pid" 2>/dev/null || true
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
}

stop() {
	stop_one kafka
	stop_one redis
	rm -rf "$run"
}

packages() {
	cd "$root"
	grep -rlE 'TEST_(KAFKA|REDIS)' --include='*_test.go' cmd ingest schema serve trainer | xargs -r -n1 dirname | sort -u | sed 's|^|./|'
}

case ${1:-} in
with)
	shift
	[ $# -gt 0 ] || die "with: no command given"
	trap stop EXIT
	settings=$(start)
	eval "$settings"
	"$@"
	;;
start) start ;;
stop) stop ;;
packages) packages ;;
jars)
	fetch_kafka
	printf '%s\n' "$libs"
	;;
*) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d'; exit 2 ;;
esac
