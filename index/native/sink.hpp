// Keys and the bounded buffers that collect them.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels.hpp"

namespace gleann {

// Unsigned integers that ascend as the score descends.
inline uint32_t descending_bits(float score) {
  score += 0.0f;  // -0 becomes +0: they are equal and must be one key
  uint32_t bits;
  std::memcpy(&bits, &score, sizeof bits);
  return bits >> 31 ? bits : bits ^ 0x7fffffffu;
}

inline uint64_t make_key(float score, int32_t row) {
  return uint64_t{descending_bits(score)} << 32 | static_cast<uint32_t>(row);
}

inline int32_t key_row(uint64_t key) { return static_cast<int32_t>(key & 0xffffffffu); }

inline float key_score(uint64_t key) {
  auto bits = static_cast<uint32_t>(key >> 32);
  bits = bits >> 31 ? bits : bits ^ 0x7fffffffu;
  float score;
  std::memcpy(&score, &bits, sizeof score);
  return score;
}

inline Sink make_sink(uint64_t* keys, int32_t pool, int32_t capacity,
                      const uint64_t* probed) {
  Sink sink{};
  sink.keys = keys;
  sink.probed = probed;
  sink.cutoff = std::numeric_limits<uint64_t>::max();
  sink.threshold = -std::numeric_limits<float>::infinity();
  sink.pool = pool;
  sink.capacity = capacity;
  return sink;
}

// Keys to make room for: the fewer, the sooner the threshold rises; the more, the
// less often the buffer is partitioned.
inline int32_t sink_capacity(int32_t pool) { return pool + (pool < 32 ? 32 : pool); }

// Cut the buffer down to its best `pool` keys, in no order, and raise the threshold.
void compact(Sink& sink);

}  // namespace gleann
