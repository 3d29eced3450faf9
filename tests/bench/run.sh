#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [ROW...]: measure reading through a mount, against a bare client.
# Prints a Markdown table; says nothing about pass or fail.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=build/venv/bin/python
if ! [ -x $python ]; then
	echo "bench: no $python: run make setup" >&2
	exit 1
fi
exec $python tests/bench/bench.py "$@"
