#!/bin/sh
# Part A, B or C of bench/GPU.md on a machine with a GPU; installs nothing. More
# arguments go to bench.gpu.parts: `run.sh A --device cpu --quick` needs no GPU.
set -eu
cd "$(dirname "$0")/../.."
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD/.ns:$PWD/.gpu/site"
export GLEANN_DATA="${GLEANN_DATA:-$PWD/.gpu/data}"
exec "${PYTHON:-python3}" -m bench.gpu.parts "$@"
