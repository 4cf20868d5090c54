#!/usr/bin/env bash
# Run the tests of the native kernels, and the fuzzer of index files, on kernels that
# are built with AddressSanitizer and UndefinedBehaviorSanitizer: a read out of bounds
# or an overflow ends the run with the line that did it.
#
#   tests/slow/sanitizers.sh [python]
#
# Needs gcc with libasan and libubsan. GLEANN_FUZZ_SECONDS: how long to fuzz (120).
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${1:-python3}
built=build/sanitized
flags="-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined"

# The package as it is, but for its kernels.
mkdir -p "$built/gleann/index"
for entry in "$PWD"/.ns/gleann/*; do
  [ "$(basename "$entry")" = index ] || ln -sfn "$entry" "$built/gleann/"
done
for entry in "$PWD"/index/*; do
  case $entry in
    *.so | */__pycache__) ;;
    *) ln -sfn "$entry" "$built/gleann/index/" ;;
  esac
done
# The sanitizers slow down what -O3 writes no less, and take twice as long to build it.
export CFLAGS="$flags -g1 -fno-omit-frame-pointer" LDFLAGS="$flags"
CC=gcc CXX=g++ CXXFLAGS=$CFLAGS GLEANN_OPTIMISE=-O1 \
  "$python" setup.py -q build_ext --parallel 2 \
  --build-lib "$built" --build-temp build/sanitized-objects
nm -D "$built"/gleann/index/_native*.so | grep __asan_report > /dev/null ||
  { echo "the kernels were built without the sanitizers" >&2; exit 1; }

# libstdc++ too: the sanitizer looks for its exceptions when the process starts.
LD_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libstdc++.so.6)
# Python keeps memory for good, which is no leak; and a huge array is refused in words.
ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=0
UBSAN_OPTIONS=print_stacktrace=1
export LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS
export PYTHONPATH=$PWD/$built OMP_NUM_THREADS=1
export GLEANN_FUZZ_SECONDS=${GLEANN_FUZZ_SECONDS:-120}

"$python" - << 'END'
from pathlib import Path
from gleann.index import _native
where = Path(_native.__file__)
assert "sanitized" in where.parts, where
END

# Not what limits the address space, of which a sanitizer takes terabytes; nor times.
"$python" -m pytest -q -p no:cacheprovider --timeout 900 -m 'not slow' \
  -k 'not without_threads and not scratch_follows and not lock_is_not_held' \
  tests/unit/index/native tests/unit/index/join tests/unit/index/build/test_shortlist.py \
  tests/unit/selection/curation/duplicates \
  tests/unit/index/newer tests/unit/index/search/test_allowed.py \
  tests/unit/index/search/test_filtered.py tests/unit/index/search/test_radius.py \
  tests/unit/index/build/test_rows.py tests/unit/index/build/test_spill.py \
  tests/unit/index/graph/test_mutual.py tests/unit/index/test_magnitudes.py \
  tests/unit/index/parallel/test_cores.py tests/unit/index/parallel/test_heartbeat.py \
  tests/unit/index/test_borrowed_arrays.py \
  tests/unit/selection/coreset/test_distance.py \
  tests/faults/damage/test_changed_files.py tests/faults/damage/test_forged_index.py
"$python" -m pytest -q -p no:cacheprovider --timeout 900 -k 'native' tests/conformance
