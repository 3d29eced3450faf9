#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh [-h]: measure pailfs beside its peers and bare clients; bench.py says
# what ROWS, RUNS, PEERS, PROFILE, OUT and SCALE in the environment choose.
# Prints Markdown; says nothing about pass or fail.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=build/venv/bin/python
if ! [ -x $python ]; then
	echo "bench: no $python: run make setup" >&2
	exit 1
fi
exec $python tests/bench/bench.py "$@"
