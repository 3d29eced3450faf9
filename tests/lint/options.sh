#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# options.sh: the options that "pailfs --help" lists, those of man/pailfs.1
# (".It Cm name" lines) and those of README.md (`name` or `name=...`) are the
# same ones; but for other names of them, which end the help.
#
# $B: the folder that has pailfs.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

for f in man/pailfs.1 README.md; do
	[ -e $f ] || { echo "no $f"; exit 1; }
done
help=$("${B:-build}/pailfs" --help 2>&1) || { echo "no --help"; exit 1; }
mapfile -t options < <(sed -nE -e '/^Other names/q' \
	-e 's/^ +(-o )?([a-z][a-z0-9_]*)(=[^ ]*)?( .*)?$/\2/p' <<<"$help" |
	grep -vx pailfs | sort -u)
mapfile -t in_man < <(sed -nE 's/^\.It Cm ([a-z][a-z0-9_]*).*/\1/p' \
	man/pailfs.1 | sort -u)
bad=0

complain()
{
	printf '%s\n' "$*"
	bad=1
}

[ ${#options[@]} -ge 10 ] ||
	complain "--help lists ${#options[@]} options: is its form another now?"
for o in "${options[@]}"; do
	grep -qE "^\.It Cm $o( |\$)" man/pailfs.1 ||
		complain "$o is in --help, not in man/pailfs.1"
	grep -qE "\`(-o )?${o}[\`=]" README.md ||
		complain "$o is in --help, not in README.md"
done
for o in "${in_man[@]}"; do
	grep -qx "$o" <<<"$(printf '%s\n' "${options[@]}")" ||
		complain "$o is in man/pailfs.1, not in --help"
done
exit $bad
