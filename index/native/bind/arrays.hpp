// Arrays of Python at the border: what every binding asks of them.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>

#include "base/require.hpp"

namespace gleann {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style>;

constexpr int64_t kMostRows = int64_t{1} << 31;  // one more: rows are numbered in int32
constexpr int64_t kMostDims = 65'536;            // sums of products of codes fit int32

// NumPy makes arrays whose numbers begin anywhere; kernels read whole numbers.
template <class... Arrays>
void require_aligned(const Arrays&... arrays) {
  constexpr int kAligned = pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;
  require((((arrays.flags() & kAligned) != 0) && ...), "an array is not aligned");
}

}  // namespace gleann
