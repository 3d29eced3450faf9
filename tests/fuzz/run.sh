#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh clang: is there a clang with libFuzzer?  It fails if not.
# run.sh short|long|grow: run each target of tests/fuzz, built under
# build/fuzz/fuzz, from its folder in tests/fuzz/corpus; for some seconds, or
# minutes.  What makes one fail is kept under build/fuzz, and named.  grow adds
# what was new to the corpus, and makes that small again.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

how=$1
seconds=5 runs=20000
[ "$how" = short ] || { seconds=${FUZZ_SECONDS:-120}; runs=-1; }
bin=build/fuzz/fuzz
corpus=tests/fuzz/corpus
failed=0

if [ "$how" = clang ]; then
	printf 'int LLVMFuzzerTestOneInput(const char *p, long n)\n{\n%s\n}\n' \
		'return p == 0 && n > 1;' |
		clang -fsanitize=fuzzer -xc -o /dev/null - || {
		echo "fuzz: clang with libFuzzer is missing: run 'make setup'"
		exit 1
	}
	exit 0
fi

# run NAME: 0, or what it printed.
run()
{
	local name=$1 dict=() new=build/fuzz/new/$1 runs=$runs
	mkdir -p "$new" "$corpus/$name"
	[ ! -e "tests/fuzz/$name.dict" ] || dict=("-dict=tests/fuzz/$name.dict")
	# A mount each: in the short run those that are kept, and no others.
	[ "$how$name" != shortdb ] || { runs=0 new=$corpus/$name; }
	"$bin/$name" "-max_total_time=$seconds" "-runs=$runs" -timeout=60 \
		-rss_limit_mb=2048 -print_final_stats=1 "${dict[@]}" \
		-artifact_prefix="build/fuzz/$name-" "$new" "$corpus/$name" 2>&1
}

# The smallest set that covers all that both cover.
merge()
{
	local name=$1 out=build/fuzz/merged/$1
	rm -rf "$out"
	mkdir -p "$out"
	"$bin/$name" -merge=1 -max_len=4096 "$out" "build/fuzz/new/$name" \
		"$corpus/$name" 2>&1 | tail -n 1
	rm -rf "${corpus:?}/$name"
	mv "$out" "$corpus/$name"
}

for src in tests/fuzz/*.c; do
	name=$(basename "$src" .c)
	if out=$(run "$name"); then
		printf 'ok   fuzz %s (%s runs)\n' "$name" "$(sed -n \
			's/^stat::number_of_executed_units: *//p' <<<"$out")"
	else
		tail -n 60 <<<"$out"
		printf 'FAIL fuzz %s\n' "$name"
		failed=$((failed + 1))
	fi
	[ "$how" != grow ] || merge "$name"
done
[ $failed = 0 ]
