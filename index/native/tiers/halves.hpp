// Rows of 16 bits a dimension widened to float32, exactly.
//
// Included by the .cpp files of this folder only, as vectors.hpp is. With
// GLEANN_HAS_F16C the target has the conversion as an instruction.
#pragma once

#include "kernels/kernels.hpp"

namespace gleann {
namespace {

inline float float_of_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// Subnormal numbers come from an integer: a thread may be set to read subnormal floats
// as zero.
inline float float16_value(uint16_t half) {
  constexpr uint32_t kBias = 112u << 23;  // of the exponents of float32
  const uint32_t exponent = half & 0x7c00u, fraction = half & 0x3ffu;
  uint32_t bits = (half & 0x7fffu) << 13;
  bits += exponent == 0x7c00u ? 2 * kBias : kBias;
  const float small = static_cast<float>(static_cast<int32_t>(fraction)) * 0x1p-24f;
  uint32_t small_bits;
  __builtin_memcpy(&small_bits, &small, sizeof small_bits);
  bits = exponent == 0 ? small_bits : bits;
  return float_of_bits(bits | (half & 0x8000u) << 16);
}

void widen_float16(const uint16_t* halves, int64_t d, float* out) {
  int64_t i = 0;
#if defined(GLEANN_HAS_F16C)
  for (; i + 8 <= d; i += 8) {
    __m128i eight;
    __builtin_memcpy(&eight, halves + i, sizeof eight);
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(eight));
  }
#endif
  for (; i < d; ++i) out[i] = float16_value(halves[i]);
}

void widen_bfloat16(const uint16_t* halves, int64_t d, float* out) {
  for (int64_t i = 0; i < d; ++i) {
    out[i] = float_of_bits(static_cast<uint32_t>(halves[i]) << 16);
  }
}

}  // namespace
}  // namespace gleann
