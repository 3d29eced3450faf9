#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# readme.sh: README.md names every source file, as name.c, name.h or name.[ch],
# and no source file that is not there.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

[ -e README.md ] || { echo "no README.md"; exit 1; }
bad=0
while read -r f; do
	name=${f##*/}
	stem=${name%.[ch]}
	grep -qE "(^|[^a-z0-9_])(${name//./\\.}|$stem\.\[ch\])" README.md || {
		echo "$f is not in README.md"
		bad=1
	}
done < <(find fs s3 cache -name '*.[ch]' | sort)
while read -r name; do
	[ -n "$(find fs s3 cache tests -name "${name##*/}" -print -quit)" ] || {
		echo "README.md names $name, which is not there"
		bad=1
	}
done < <(grep -oE '[a-z0-9_/]+\.[ch]\b' README.md | sort -u)
exit $bad
