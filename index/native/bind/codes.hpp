// The codes of rows or of list directions, as Python gives them.
#pragma once

#include <pybind11/stl.h>

#include <type_traits>
#include <variant>

#include "bind/arrays.hpp"
#include "kernels/pack.hpp"

namespace gleann {

// int8 codes; or rows in float32.
using CodeArray = std::variant<Array<int8_t>, Array<float>>;

// The codes of the rows, or of the directions of the lists; see RowCodes.
class GivenCodes {
 public:
  // Scales and biases have n numbers or none, the center d or none.
  GivenCodes(const CodeArray& values, const Array<float>& scales,
             const Array<float>& biases, const Array<float>& center) {
    std::visit([&](const auto& array) { take(array); }, values);
    require_aligned(scales, biases, center);
    const bool coded = codes_.values != nullptr;
    require(scales.size() == (coded ? codes_.n : 0),
            "codes and scales differ in shape");
    require(biases.size() == 0 || biases.size() == codes_.n, "biases are not (n,)");
    require(center.size() == 0 || center.size() == codes_.d, "the center is not (d,)");
    codes_.scales = coded ? scales.data() : nullptr;
    codes_.biases = biases.size() ? biases.data() : nullptr;
    codes_.center = center.size() ? center.data() : nullptr;
  }

  const RowCodes& codes() const { return codes_; }

 private:
  template <class T>
  void take(const Array<T>& array) {
    require(array.ndim() == 2, "codes, vectors and directions must be matrices");
    require_aligned(array);
    codes_.n = array.shape(0);
    codes_.d = array.shape(1);
    if constexpr (std::is_same_v<T, int8_t>) {
      codes_.values = array.data();
    } else {
      codes_.rows = array.data();
    }
  }

  RowCodes codes_{};
};

}  // namespace gleann
