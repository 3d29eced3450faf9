# SPDX-License-Identifier: Apache-2.0
#
# layers.awk FILE...: includes point down only (fs -> cache -> s3 -> s3/base),
# into another layer by its facades alone, and are written from the root.
BEGIN {
	rank["s3/base"] = 0
	rank["s3"] = 1
	rank["cache"] = 2
	rank["fs"] = 3
	face["s3/s3.h"]
	face["cache/cache.h"]
	face["cache/admin.h"]
}

function layer(p)
{
	return sub(/\/[^\/]*$/, "", p) ? p : ""
}

function complain(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	n++
}

/^[ \t]*#[ \t]*include/ {
	if (!match($0, /["<][^">]*[">]/)) {
		complain("an include of something computed")
		next
	}
	quoted = substr($0, RSTART, 1) == "\""
	name = substr($0, RSTART + 1, RLENGTH - 2)
	from = layer(FILENAME)
	to = layer(name)
	if (!(to in rank)) {
		if (quoted)
			complain("\"" name "\" is not written from the root")
		next
	}
	if (from == to)
		next
	if (rank[to] > rank[from])
		complain(from " may not include " name ": it is above")
	else if (to != "s3/base" && !(name in face))
		complain(from " may not include " name ": private to " to)
	else if (from == "fs" && to == "s3" && FILENAME != "fs/main.c")
		complain("in fs only main.c may include " name)
}

END {
	exit n > 0
}
