# SPDX-License-Identifier: Apache-2.0
"""Bars on a logarithmic axis, as SVG.  Pure."""

import math
from xml.sax.saxutils import escape

COLOURS = ("#555555", "#999999", "#0b6e4f", "#c8553d", "#3d6cb9", "#b08d1e",
           "#7a4fa3", "#2a9bb0")
LEFT = 250
WIDTH = 560     # of the longest bar
BAR = 9
GAP = 9
TOP = 52


def text(x, y, words, anchor="start", size=11):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" '
            f'text-anchor="{anchor}">{escape(words)}</text>')


def axis(low, high, height):
    """Return lines at the powers of ten, and what they say."""
    out = []
    for power in range(low, high + 1):
        x = LEFT + WIDTH * (power - low) / (high - low)
        out += [f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 6}" '
                f'y2="{height - 8}" stroke="#dddddd"/>',
                text(x, TOP - 9, f"{10.0 ** power:g}", "middle", 9)]
    return out


def legend(names):
    out, x = [], LEFT
    for name, colour in zip(names, COLOURS):
        out += [f'<rect x="{x}" y="25" width="9" height="9" '
                f'fill="{colour}"/>', text(x + 13, 33, name)]
        x += 26 + 7 * len(name)
    return out


def bars(title, names, groups):
    """Return an SVG of groups of bars.

    names of the bars of each group; groups: [(label, [value or None, ...])].
    """
    values = [v for _, group in groups for v in group if v]
    low = math.floor(math.log10(min(values, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=1))))
    body, y = [], TOP
    for label, group in groups:
        shown = [(v, colour) for v, colour in zip(group, COLOURS) if v]
        body.append(text(LEFT - 8, y + BAR * len(shown) / 2 + 4, label, "end"))
        for value, colour in shown:
            length = WIDTH * (math.log10(value) - low) / (high - low)
            body += [f'<rect x="{LEFT}" y="{y}" width="{max(1, length):.1f}" '
                     f'height="{BAR - 1}" fill="{colour}"/>',
                     text(LEFT + max(1, length) + 4, y + BAR - 1,
                          f"{value:.3g}", size=8)]
            y += BAR
        y += GAP
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}"'
            f' height="{y}" font-family="sans-serif" fill="#222222">')
    return "\n".join([head, '<rect width="100%" height="100%" fill="#ffffff"/>',
                      text(LEFT, 16, title, size=13), *legend(names),
                      *axis(low, high, y), *body, "</svg>", ""])
