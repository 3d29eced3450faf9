#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run-tests.sh FLAVOUR unit|tests [PYTEST-ARGUMENT...]
#
# Run the unit tests of one flavour ('' is the plain one), and with "tests" those
# in which allocations fail and the system tests after them.  The system tests
# learn from the environment:
#   PAILFS_BUILD    the folder with pailfs and pailctl, absolute
#   PAILFS_FLAVOUR  "", asan or tsan: limits of memory and time differ
#   PAILFS_WRAP     words to put before a program of ours, may be empty
#   PAILFS_TOOLS    the folder whose bin/ has versitygw, pjdfstest and fsx
# A daemon has no terminal to complain to, so the sanitizers write to files; a
# file that is there at the end fails the run.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

flavour=$1 what=$2
shift 2
export PAILFS_FLAVOUR=$flavour PAILFS_WRAP=
export PAILFS_BUILD=$PWD/build${flavour:+/$flavour}
export PAILFS_TOOLS=${PAILFS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pailfs}
supp=$PWD/tests/tools
reports=
limit=600 # seconds for a program
passed=0 failed=0

set_up_sanitizers()
{
	# World-writable: a daemon of another user must be able to report.
	reports=$(mktemp -d "${TMPDIR:-/tmp}/pailfs-reports.XXXXXX")
	chmod 1777 "$reports"
	trap 'rm -rf "$reports"' EXIT
	local log=log_path=$reports/report
	export UBSAN_OPTIONS=$log:print_stacktrace=1
	export ASAN_OPTIONS=$log:detect_stack_use_after_return=1:strict_string_checks=1
	export TSAN_OPTIONS=$log:second_deadlock_stack=1:history_size=4
	[ ! -e "$supp/lsan.supp" ] ||
		export LSAN_OPTIONS=suppressions=$supp/lsan.supp
	[ ! -e "$supp/tsan.supp" ] ||
		TSAN_OPTIONS+=:suppressions=$supp/tsan.supp
	# TSan of this gcc cannot map its shadow where a kernel randomizes
	# addresses by more than 28 bits.
	if [ "$flavour" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null
	then
		PAILFS_WRAP="setarch $(uname -m) -R"
	fi
}

# What there is to read, once, under its name; and whether there was any.
take_reports()
{
	local f found=1
	[ -n "$reports" ] || return 1
	for f in "$reports"/*; do
		[ -e "$f" ] || continue
		printf -- '--- report by %s, %s\n' "$flavour" "${f##*/}"
		cat "$f"
		rm -f "$f"
		found=0
	done
	return $found
}

run_unit()
{
	local out r=0 name=${1##*/}
	# shellcheck disable=SC2086 # PAILFS_WRAP is words
	out=$(CMOCKA_MESSAGE_OUTPUT=TAP timeout "$limit" $PAILFS_WRAP "$1" 2>&1 \
		</dev/null) || r=$?
	[ $r != 0 ] || grep -q '^ok' <<<"$out" || r=none
	! take_reports || r=report
	if [ $r = 0 ]; then
		passed=$((passed + 1))
		printf 'ok   %s (%s)\n' "$name" "$(grep -c '^ok' <<<"$out")"
	else
		failed=$((failed + 1))
		printf '%s\nFAIL %s (%s)\n' "$out" "$name" "$r"
	fi
}

# Allocations fail one after the other, in the long run each of them.  What TSan
# looks for does not depend on them.
run_faults()
{
	local src
	[ "$flavour" != tsan ] || return 0
	case " $* " in *" --long "*) export LOOP_STRIDE=1 limit=7200 ;; esac
	for src in tests/fault/*.c; do
		run_unit "$PAILFS_BUILD/fault/$(basename "$src" .c)"
	done
}

# Most tests wait most of the time, so more of them run at once than there are
# processors.  (-n 0 among the arguments: one after the other.)
run_sys()
{
	local r=0 word where=(tests/sys)
	for word in "$@"; do # files or tests of them are named: no others
		[ ! -e "${word%%::*}" ] || where=()
	done
	build/venv/bin/python -m pytest -p no:cacheprovider \
		-n $(($(nproc) + 1)) --dist worksteal "${where[@]}" "$@" \
		</dev/null || r=$?
	if take_reports; then
		echo "FAIL: the $flavour build complained, see above"
		r=1
	fi
	return $r
}

[ -z "$flavour" ] || set_up_sanitizers
for src in tests/unit/*.c; do
	[ ! -e "$src" ] || run_unit "$PAILFS_BUILD/unit/$(basename "$src" .c)"
done
[ "$what" = unit ] || run_faults "$@"
printf 'unit: %d passed, %d failed\n' $passed $failed
[ $failed = 0 ] || exit 1
if [ "$what" = tests ] && [ -d tests/sys ]; then
	run_sys "$@"
fi
