# SPDX-License-Identifier: Apache-2.0
#
# cycles.awk FILE...: the modules' includes form no cycle.  A module is a .c
# with the .h of its name.  A facade is a module apart from the .c that stands
# behind it: the contract, which the whole layer may include.
function module(p)
{
	if (p != "s3/s3.h" && p != "cache/cache.h" &&
	    p != "cache/admin.h")
		sub(/\.[ch]$/, "", p)
	return p
}

# Walk from ${m}; ${trail} is the way that led here.
function visit(m, trail,	i, k, to)
{
	if (state[m] == "done")
		return
	trail = trail m
	if (state[m] == "open") {
		k = index(" " trail " ", " " m " ")
		printf "include cycle: %s\n", substr(trail, k)
		n++
		return
	}
	state[m] = "open"
	k = split(edges[m], to, " ")
	for (i = 1; i <= k; i++)
		visit(to[i], trail " -> ")
	state[m] = "done"
}

/^[ \t]*#[ \t]*include[ \t]*["<][^">]*\.h[">]/ {
	split($0, part, /[<">]/)
	from = module(FILENAME)
	to = module(part[2])
	if (from != to && !((from, to) in seen)) {
		seen[from, to] = 1
		edges[from] = edges[from] " " to
	}
}

END {
	for (m in edges)
		visit(m, "")
	exit n > 0
}
