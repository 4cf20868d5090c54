#include "kernels/sink.hpp"

#include <algorithm>

#include "base/keys.hpp"

namespace gleann {

void compact(Sink& sink) {
  if (sink.count < sink.rerank) return;
  uint64_t* kth = sink.keys + sink.rerank - 1;
  std::nth_element(sink.keys, kth, sink.keys + sink.count);
  sink.count = sink.rerank;
  sink.cutoff = *kth;
  sink.threshold = key_score(*kth);
}

}  // namespace gleann
