// Construction of sinks, the bounded buffers of the best entries of a query.
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/kernels.hpp"

namespace gleann {

inline Sink make_sink(uint64_t* keys, int32_t rerank, int32_t capacity,
                      const uint64_t* probed) {
  Sink sink{};
  sink.keys = keys;
  sink.probed = probed;
  sink.cutoff = std::numeric_limits<uint64_t>::max();
  sink.threshold = -std::numeric_limits<float>::infinity();
  sink.rerank = rerank;
  sink.capacity = capacity;
  return sink;
}

// Capacity in keys: a smaller buffer raises the threshold sooner, a larger one is
// thinned less often.
inline int32_t sink_capacity(int32_t rerank) {
  constexpr int32_t kLeast = 16;
  return rerank + (rerank / 2 > kLeast ? rerank / 2 : kLeast);
}

}  // namespace gleann
