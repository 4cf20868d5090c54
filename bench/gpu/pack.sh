#!/bin/sh
# Puts together what travels to a lent GPU beside the tree: .gpu/ (the commit, sift-128,
# FlashLib unpacked) and the native kernels for the Python there. Needs python3.12 and a
# compiler here; GPU_PYTHON names another path to it. .gpu/results is left as it is.
set -eu
cd "$(dirname "$0")/../.."
python=${GPU_PYTHON:-python3.12}
exclude=$(git rev-parse --git-path info/exclude)
grep -qxs '/.gpu/' "$exclude" || echo '/.gpu/' >>"$exclude"
rm -rf .gpu/data .gpu/site && mkdir -p .gpu/data

commit=$(git rev-parse HEAD)
if [ -n "$(git status --porcelain -- . ':!bench/results')" ]; then
  commit="$commit+changes"
fi
echo "$commit" >.gpu/commit

if [ -d "${GLEANN_DATA:-}/sift-128" ]; then
  cp -r "$GLEANN_DATA/sift-128" .gpu/data/ && chmod -R u+w .gpu/data
else
  echo "gpu-pack: GLEANN_DATA has no sift-128: its rows will be missing" >&2
fi

"$python" -m venv build/gpu-python
build/gpu-python/bin/python -m pip --disable-pip-version-check -q install \
  setuptools 'pybind11>=2.13'
build/gpu-python/bin/python -m pip --disable-pip-version-check -q install \
  --no-deps --no-compile --target .gpu/site flashlib==0.4.0
build/gpu-python/bin/python setup.py -q build_ext --inplace \
  --build-temp build/gpu-native
native=$(ls index/_native.cpython-312-*.so)

du -shc .gpu "$native" | tail -1
echo "ready: carry .gpu and $native"
