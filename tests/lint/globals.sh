#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# globals.sh: the layers keep no state outside their structs.  What a module
# has in .data or .bss is listed below, or fails; constants and thread-local
# buffers are no state.  No layer calls a function of one above it either.
#
# $B: the folder that has the libraries.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

B=${B:-build}
# The log's own three (it has no handle), and what a signal handler sets.
allowed='^(log_level|log_fd|log_ident|session_signal)$'
bad=0

for lib in base s3 cache fs; do
	[ -e "$B/lib$lib.a" ] || { echo "no $B/lib$lib.a"; exit 1; }
	found=$(objdump -t "$B/lib$lib.a" | awk '
		NF > 3 && $(NF - 2) ~ /^(\.data|\.bss|\*COM\*)/ &&
		$(NF - 2) !~ /\.rel\.ro/ && $(NF - 1) !~ /^0+$/ {
			sub(/\.[0-9]+$/, "", $NF)
			print $NF
		}') || exit 1
	for name in $found; do
		[[ $name =~ $allowed ]] || {
			echo "lib$lib: $name is a mutable global"
			bad=1
		}
	done
done

names()
{
	nm "$1" "$B/lib$2.a" 2>/dev/null | awk 'NF >= 2 {print $NF}' | sort -u
}

below=
for lib in base s3 cache fs; do
	for low in $below; do
		while read -r name; do
			echo "lib$low calls $name of lib$lib"
			bad=1
		done < <(comm -12 <(names -u "$low") \
			<(nm --defined-only -g "$B/lib$lib.a" 2>/dev/null |
				awk 'NF == 3 {print $3}' | sort -u))
	done
	below+=" $lib"
done
exit $bad
