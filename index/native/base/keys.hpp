// Keys: a score and a row in one 64-bit integer; ascending keys are descending scores,
// ties by ascending row.
//
// Internal linkage, since the files of tiers/ include it too (see kernels/kernels.hpp).
#pragma once

#include <cstdint>

namespace gleann {
namespace {

// Unsigned integers that ascend as the score descends.
inline uint32_t descending_bits(float score) {
  score += 0.0f;  // -0 becomes +0: they are equal and must be one key
  uint32_t bits;
  __builtin_memcpy(&bits, &score, sizeof bits);
  return bits >> 31 ? bits : bits ^ 0x7fffffffu;
}

inline uint64_t make_key(float score, int32_t row) {
  return uint64_t{descending_bits(score)} << 32 | static_cast<uint32_t>(row);
}

[[maybe_unused]] inline int32_t key_row(uint64_t key) {
  return static_cast<int32_t>(key & 0xffffffffu);
}

inline float key_score(uint64_t key) {
  auto bits = static_cast<uint32_t>(key >> 32);
  bits = bits >> 31 ? bits : bits ^ 0x7fffffffu;
  float score;
  __builtin_memcpy(&score, &bits, sizeof score);
  return score;
}

}  // namespace
}  // namespace gleann
