// What happens to the few entries that pass their query's threshold.
//
// Included by kernel files only, after they have chosen their instruction set.
#pragma once

#include "kernels.hpp"
#include "keys.hpp"

namespace gleann {
namespace {

// A spilled entry is a copy of a primary one: it counts only where the query does not
// scan the primary's list, so that no row comes twice.
inline bool wanted(const Sink& sink, const Entries& entries, int64_t slot, int32_t row) {
  if (slot >= entries.primaries) {
    if (entries.primary_only) return false;
    const int32_t primary = entries.others[slot];
    if (sink.probed[primary >> 6] >> (primary & 63) & 1) return false;
  }
  return entries.allowed == nullptr || entries.allowed[row];
}

inline int64_t count_upto(const uint64_t* keys, int64_t count, uint64_t pivot) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) found += keys[i] <= pivot;
  return found;
}

// A pivot that at least `least` and at most `most` of the keys do not exceed. Halving
// the range of keys takes a handful of passes that predict and vectorise well, where
// selecting the exact key mispredicts all the way. False if keys are too close
// together.
inline bool find_pivot(const uint64_t* keys, int64_t count, int64_t least, int64_t most,
                       uint64_t& pivot) {
  uint64_t low = keys[0], high = keys[0];
  for (int64_t i = 1; i < count; ++i) {
    low = keys[i] < low ? keys[i] : low;
    high = keys[i] > high ? keys[i] : high;
  }
  constexpr int kPasses = 16;
  for (int pass = 0; pass < kPasses; ++pass) {
    pivot = low + (high - low) / 2;
    const int64_t found = count_upto(keys, count, pivot);
    if (found < least) {
      low = pivot;
    } else if (found > most) {
      high = pivot;
    } else {
      return true;
    }
  }
  return false;
}

// Make room: drop keys that cannot be among the best `pool`, and raise the threshold.
inline void thin(Sink& sink) {
  const int64_t room = sink.capacity - sink.pool;
  uint64_t pivot;
  if (!find_pivot(sink.keys, sink.count, sink.pool, sink.pool + room / 4, pivot)) {
    return compact(sink);
  }
  int32_t kept = 0;
  for (int32_t i = 0; i < sink.count; ++i) {
    const uint64_t key = sink.keys[i];
    sink.keys[kept] = key;
    kept += key <= pivot;
  }
  sink.count = kept;
  sink.cutoff = pivot + 1;
  sink.threshold = key_score(pivot);
}

// Offer the entries `hits` (bit i: slot + i, with scores[i]) to query `q` of the group.
void admit(Group& group, int q, const float* scores, uint32_t hits, int64_t slot,
           const Entries& entries) {
  Sink& sink = *group.sinks[q];
  for (; hits != 0; hits &= hits - 1) {
    const int lane = __builtin_ctz(hits);
    const int64_t at = slot + lane;
    const int32_t row = entries.rows ? entries.rows[at] : static_cast<int32_t>(at);
    const uint64_t key = make_key(scores[lane], row);
    if (key >= sink.cutoff || !wanted(sink, entries, at, row)) continue;
    sink.keys[sink.count++] = key;
    ++sink.survivors;
    if (sink.count == sink.capacity) {
      thin(sink);
      group.thresholds[q] = sink.threshold;
    }
  }
}

}  // namespace
}  // namespace gleann
