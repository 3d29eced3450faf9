#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# sizes.sh: no function, file or parameter list grows past what one can read.
#
# Functions: at most 100 lines (over 60 is told, and passes) and a complexity
# of 15 (pmccabe's modified one: a switch counts once); 6 parameters, unless
# libfuse or libxml2 fixes the signature (the first is a fuse_req_t; a SAX
# context before an xmlChar).  Files: 600 lines.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

for tool in ctags pmccabe; do
	command -v $tool >/dev/null || { echo "$tool is missing"; exit 1; }
done
mapfile -t c < <(find fs s3 cache tests -name '*.[ch]' | sort)
mapfile -t files < <(find fs s3 cache tests -name '*.[ch]' -o -name '*.py' \
	-o -name '*.sh' | sort)

functions()
{
	[ ${#c[@]} = 0 ] || ctags -f - --kinds-C=f --fields=+neS "${c[@]}" | awk '
	function count(sig,	i, ch, depth, n)
	{
		if (sig == "()" || sig == "(void)")
			return 0
		n = 1
		for (i = 1; i <= length(sig); i++) {
			ch = substr(sig, i, 1)
			depth += (ch == "(") - (ch == ")")
			n += ch == "," && depth == 1
		}
		return n
	}
	BEGIN { FS = "\t" }
	{
		line = end = 0
		sig = ""
		for (i = 4; i <= NF; i++) {
			if ($i ~ /^line:/) line = substr($i, 6)
			if ($i ~ /^end:/) end = substr($i, 5)
			if ($i ~ /^signature:/) sig = substr($i, 11)
		}
		where = $2 ":" line ": " $1
		lines = end - line + 1
		if (lines > 100)
			printf "%s: %d lines (100)\n", where, lines
		else if (lines > 60)
			printf "note: %s: %d lines (60)\n", where, lines
		k = count(sig)
		if (k > 6 && sig !~ /^\((fuse_req_t |void \* ?[a-z]+,const xmlChar)/)
			printf "%s: %d parameters (6)\n", where, k
	}'
	[ ${#c[@]} = 0 ] || pmccabe "${c[@]}" 2>/dev/null | awk -F '\t' '$1 > 15 {
		printf "%s: complexity %d (15)\n", $6, $1
	}'
}

lengths()
{
	wc -l "${files[@]}" | awk '$2 != "total" && $1 > 600 {
		printf "%s: %d lines (600)\n", $2, $1
	}'
}

out=$(functions; lengths)
[ -z "$out" ] || printf '%s\n' "$out"
! grep -qv '^note: ' <<<"${out:-note: }"
