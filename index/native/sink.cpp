#include "sink.hpp"

#include <algorithm>

namespace gleann {
namespace {

bool test_bit(const uint64_t* bits, int32_t at) {
  return bits[at >> 6] >> (at & 63) & 1;
}

// A spilled entry is a copy of a primary one: it counts only where the query does not
// scan the primary's list, so that no row comes twice.
bool wanted(const Sink& sink, const Entries& entries, int64_t slot, int32_t row) {
  if (slot >= entries.primaries &&
      (entries.primary_only || test_bit(sink.probed, entries.others[slot]))) {
    return false;
  }
  return entries.allowed == nullptr || entries.allowed[row];
}

}  // namespace

void compact(Sink& sink) {
  if (sink.count < sink.pool) return;
  uint64_t* kth = sink.keys + sink.pool - 1;
  std::nth_element(sink.keys, kth, sink.keys + sink.count);
  sink.count = sink.pool;
  sink.cutoff = *kth;
  sink.threshold = key_score(*kth);
}

void admit(Group& group, int q, const float* scores, uint32_t hits, int64_t slot,
           const Entries& entries) {
  Sink& sink = *group.sinks[q];
  for (; hits != 0; hits &= hits - 1) {
    const int lane = __builtin_ctz(hits);
    const int64_t at = slot + lane;
    const int32_t row = entries.rows[at];
    const uint64_t key = make_key(scores[lane], row);
    if (key >= sink.cutoff || !wanted(sink, entries, at, row)) continue;
    sink.keys[sink.count++] = key;
    ++sink.survivors;
    if (sink.count == sink.capacity) {
      compact(sink);
      group.thresholds[q] = sink.threshold;
    }
  }
}

}  // namespace gleann
