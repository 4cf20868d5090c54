// Adding the few entries that pass their query's threshold to its sink.
//
// Included by the .cpp files of this folder only, after they have set their target.
#pragma once

#include "base/keys.hpp"
#include "kernels/kernels.hpp"

namespace gleann {
namespace {

inline bool has_bit(const uint64_t* bits, int32_t at) {
  return bits[at >> 6] >> (at & 63) & 1;
}

// A spilled entry is a copy of a primary one: it counts only if the query does not scan
// the primary's list, so that no row is found twice. Copies in lists that were scanned
// before the primary's list was chosen have counted, and then the primary does not.
inline bool wanted(const Sink& sink, const Entries& entries, int64_t entry,
                   int32_t row) {
  if (entry >= entries.primaries) {
    if (entries.primary_only) return false;
    if (has_bit(sink.probed, entries.others[entry])) return false;
  } else if (sink.earlier && !entries.primary_only) {
    const int32_t copy = entries.others[entry];
    if (copy >= 0 && has_bit(sink.earlier, copy)) return false;
  }
  if (entries.alive && !(entries.alive[row >> 3] >> (row & 7) & 1)) return false;
  return entries.allowed == nullptr || entries.allowed[row];
}

inline int64_t count_upto(const uint64_t* keys, int64_t count, uint64_t pivot) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) found += keys[i] <= pivot;
  return found;
}

// A pivot that at least `least` and at most `most` of the keys do not exceed. Halving
// the range of keys takes a handful of passes that predict and vectorise well, where
// selecting the exact key mispredicts all the way. False if keys are too close.
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

// Drop keys that cannot be among the best `rerank`, and raise the threshold.
inline void thin(Sink& sink) {
  const int64_t room = sink.capacity - sink.rerank;
  uint64_t pivot;
  if (!find_pivot(sink.keys, sink.count, sink.rerank, sink.rerank + room / 4, pivot)) {
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

// Offer one hit to its query's sink.
inline void admit(Group& group, const Hit& hit, const Entries& entries) {
  Sink& sink = *group.sinks[hit.query];
  const int32_t row = entries.rows[hit.entry];
  const uint64_t key = make_key(hit.score, entries.first + row);
  if (key >= sink.cutoff || !wanted(sink, entries, hit.entry, row)) return;
  sink.keys[sink.count++] = key;
  ++sink.survivors;
  if (sink.count == sink.capacity) {
    thin(sink);
    group.thresholds[hit.query] = sink.threshold;
  }
}

// Offer some hits of the group. Each makes scattered loads, so they are prefetched a
// few hits ahead, in two steps: the second address is read from the first.
inline void admit_range(Group& group, const Entries& entries, int32_t first,
                        int32_t last) {
  constexpr int32_t kFar = 16, kNear = 6;
  for (int32_t i = first - kFar; i < last; ++i) {
    if (i + kFar < last) {
      const Hit& hit = group.hits[i + kFar];
      __builtin_prefetch(entries.rows + hit.entry);
      if (hit.entry >= entries.primaries)
        __builtin_prefetch(entries.others + hit.entry);
      __builtin_prefetch(group.sinks[hit.query]);
    }
    if (i + kNear >= first && i + kNear < last) {
      const Hit& hit = group.hits[i + kNear];
      const Sink& sink = *group.sinks[hit.query];
      __builtin_prefetch(sink.keys + sink.count);
      if (hit.entry >= entries.primaries) {
        __builtin_prefetch(sink.probed + (entries.others[hit.entry] >> 6));
      }
    }
    if (i >= first) admit(group, group.hits[i], entries);
  }
}

// Offer the hits that wait; returns how many there were.
inline int32_t admit_waiting(Group& group) {
  if (group.alone == nullptr) return 0;
  const int32_t waiting = group.alone->hit_count;
  if (waiting > 0) admit_range(group, group.alone->entries, 0, waiting);
  group.alone->hit_count = 0;
  return waiting;
}

// Offer all hits of the group, those of `entries` last.
inline void admit_all(Group& group, const Entries& entries) {
  const int32_t first = admit_waiting(group);
  if (first < group.hit_count) admit_range(group, entries, first, group.hit_count);
  group.hit_count = 0;
}

// Offer the hits that wait, and let those of `entries` wait in their place.
inline void keep_waiting(Group& group, const Entries& entries) {
  const int32_t first = admit_waiting(group);
  const int32_t count = group.hit_count - first;
  for (int32_t i = 0; i < count; ++i) {
    const Hit& hit = group.hits[i] = group.hits[first + i];
    __builtin_prefetch(entries.rows + hit.entry);
    if (hit.entry >= entries.primaries) __builtin_prefetch(entries.others + hit.entry);
  }
  group.hit_count = group.alone->hit_count = count;
  group.alone->entries = entries;
}

inline void finish(Group& group) {
  admit_waiting(group);
  group.hit_count = 0;
}

}  // namespace
}  // namespace gleann
