#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh lint|lint-deep: one line for each check, "ok name" or "FAIL name" with
# what it found above it; lint-deep takes minutes, and adds gcc's analyzer.
#
# $B: the folder of the build.  $MAKE: the make that runs this.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export LC_ALL=C.UTF-8

here=tests/lint
failed=0
mapfile -t src < <(find fs s3 cache -name '*.[ch]' | sort)
mapfile -t c < <(find fs s3 cache tests -name '*.[ch]' | sort)
mapfile -t sh < <(find tests .ci -name '*.sh' -o -name run | sort)
mapfile -t man < <(find man -type f | sort)

# check NAME COMMAND...
check()
{
	local name=$1 out
	shift
	if out=$("$@" 2>&1 </dev/null); then
		[ -z "$out" ] || printf '%s\n' "$out"
		printf 'ok   %s\n' "$name"
	else
		head -n 40 <<<"$out"
		printf 'FAIL %s\n' "$name"
		failed=$((failed + 1))
	fi
}

headers()
{
	"${MAKE:-make}" --no-print-directory -k hdr-check WERROR=1
}

format()
{
	clang-format-14 --dry-run -Werror "${c[@]}"
}

manual()
{
	[ ${#man[@]} != 0 ] || return 1
	mandoc -T lint -W warning "${man[@]}"
}

spelling()
{
	codespell --skip 'tests/fuzz/corpus/*' \
		--ignore-words "$here/words.txt" fs s3 cache man tests/*/ \
		README.md Makefile
}

later()
{
	! grep -rnIE 'TO[D]O|FI[X]ME' --exclude-dir=__pycache__ Makefile \
		README.md .ci man tests
}

static()
{
	# It does not know that AUTO_FREE frees; the sanitizers and gcc do.
	cppcheck -q --std=c11 --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 -I. -D_GNU_SOURCE \
		-DFUSE_USE_VERSION=314 -DJSON_INTEGER_FORMAT='"lld"' \
		--suppress=missingIncludeSystem \
		--suppress=legacyUninitvar --suppress=memleak --suppress=autoVariables \
		--suppress=normalCheckLevelMaxBranches \
		-j "$(nproc)" "${src[@]}"
}

analyzer()
{
	"${MAKE:-make}" --no-print-directory -k all WERROR=1 B=build/analyzer \
		CFLAGS='-O2 -g -fanalyzer'
}

check layers awk -f $here/layers.awk "${src[@]}"
check cycles awk -f $here/cycles.awk "${src[@]}"
check words awk -f $here/words.awk "${c[@]}"
check later later
check globals $here/globals.sh
check sizes $here/sizes.sh
check headers headers
if command -v clang-format-14 >/dev/null; then
	check format format
else
	echo "skip format: the format is clang-format-14's, and it is not here" \
		"($(command -v clang-format >/dev/null &&
			clang-format --version || echo none))"
fi
check options $here/options.sh
check readme $here/readme.sh
check manual manual
check shellcheck shellcheck "${sh[@]}"
check spelling spelling
check cppcheck static
if [ "${1:-}" = lint-deep ]; then
	check analyzer analyzer
fi
if [ $failed != 0 ]; then
	echo "lint: $failed failed"
	exit 1
fi
