// Vectors in the dimensions of projected codes.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"
#include "kernels/pack.hpp"

namespace gleann {

// Multiplies vectors with axes. Each product is summed in float32, one dimension after
// another, each step rounded: the same in all tiers, and as in index/projection.py.
class Projector {
 public:
  // `axes`: (p, d). `center`: (d), subtracted from vectors first; or null.
  Projector(const Kernels& kernels, const float* axes, const float* center, int64_t p,
            int64_t d);

  int64_t p() const { return p_; }
  int64_t d() const { return d_; }
  int64_t nbytes() const { return packed_.codes_nbytes() + packed_.biases_nbytes(); }

  // `vectors` (count, d) into `points` (count, p).
  void project(const float* vectors, int64_t count, float* points) const;

 private:
  const ScanKernels& products_;
  const float* center_;
  int64_t p_;
  int64_t d_;
  PackedLists packed_;  // the axes, in one list
};

}  // namespace gleann
