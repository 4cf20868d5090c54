// NumPy arrays as arguments of the bindings: their type, their limits, their checks.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>

#include "base/require.hpp"

namespace gleann {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style>;

constexpr int64_t kMostRows = int64_t{1} << 31;  // one more: rows are numbered in int32
constexpr int64_t kMostDims = 65'536;            // sums of products of codes fit int32

// NumPy allows arrays whose values are not aligned; the kernels need aligned ones.
template <class... Arrays>
void require_aligned(const Arrays&... arrays) {
  constexpr int kAligned = pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;
  require((((arrays.flags() & kAligned) != 0) && ...), "an array is not aligned");
}

}  // namespace gleann
