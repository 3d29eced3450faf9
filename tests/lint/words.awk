# SPDX-License-Identifier: Apache-2.0
#
# words.awk FILE.[ch]...: only block comments, nothing put off or switched off,
# and the licence line first.
function complain(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	n++
}

# Print nothing, return the line without strings, characters and comments;
# ${inside} carries an open comment to the next line.
function code(s,	out, i, ch, two)
{
	for (i = 1; i <= length(s); i++) {
		ch = substr(s, i, 1)
		two = substr(s, i, 2)
		if (inside) {
			if (two == "*/") {
				inside = 0
				i++
			}
		} else if (two == "/*") {
			inside = 1
			i++
		} else if (two == "//") {
			return out two
		} else if (ch == "\"" || ch == "'") {
			for (i++; i <= length(s) && substr(s, i, 1) != ch; i++)
				i += substr(s, i, 1) == "\\"
		} else {
			out = out ch
		}
	}
	return out
}

FNR == 1 {
	inside = 0
	if ($0 != "/* SPDX-License-Identifier: Apache-2.0 */")
		complain("the first line is not the SPDX line")
}

/TO[D]O|FI[X]ME/ {
	complain("a promise left for later")
}

{
	rest = code($0)
	if (index(rest, "//"))
		complain("a // comment")
	if (rest ~ /^[ \t]*#[ \t]*if[ \t]+0[ \t]*$/)
		complain("code switched off")
	if (rest ~ /^[ \t]*#[ \t]*pragma[ \t]+once/)
		complain("pragma once instead of a guard")
}

END {
	exit n > 0
}
