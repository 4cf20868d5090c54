// Selection of the best few of many scores, by a search for their threshold.
//
// Included by the .cpp files of this folder only; see tile.hpp for `Ops`. A pass over
// the scores that counts how many reach a threshold predicts and vectorises well, so a
// handful of them costs less than one selection that branches on the scores.
#pragma once

#include "kernels/kernels.hpp"
#include "tiers/lanes.hpp"

namespace gleann {
namespace {

// The greatest and the mean of the scores of whole blocks.
struct Range {
  float mean, most;
};

inline Range range_of(const float* scores, int64_t blocks) {
  Floats sum = {}, most;
  for (int i = 0; i < kBlock; ++i) most[i] = -__builtin_inff();
  for (int64_t block = 0; block < blocks; ++block) {
    Floats lane;
    __builtin_memcpy(&lane, scores + block * kBlock, sizeof lane);
    sum += lane;
    most = lane > most ? lane : most;
  }
  Range range{0.0f, most[0]};
  for (int i = 0; i < kBlock; ++i) {
    range.mean += sum[i] / static_cast<float>(blocks * kBlock);
    range.most = most[i] > range.most ? most[i] : range.most;
  }
  return range;
}

template <class Ops>
inline int64_t count_from(const float* scores, int64_t blocks, float threshold) {
  int64_t count = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    count += __builtin_popcount(
        Ops::hits(Ops::load_scores(scores + block * kBlock), threshold));
  }
  return count;
}

// log2 to a few per cent, precise enough for the search.
inline float rough_log2(int64_t x) {
  const auto value = static_cast<float>(x);
  int32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return static_cast<float>(bits - 0x3f800000) * 0x1p-23f;
}

// A threshold that at least `least` of the scores reach, and at most `most` unless
// scores are equal or nearly so. The search is above the mean of the scores; the
// threshold is -infinity if fewer than `least` are there, or if no block is full.
template <class Ops>
float threshold_for(const float* scores, int64_t count, int64_t least, int64_t most) {
  constexpr float kNone = -__builtin_inff();
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  if (count < kBlock || count <= least) return kNone;
  const Range range = range_of(scores, count / kBlock);
  // `reached` scores are at least `low`, `missed` at least `high`.
  float low = range.mean, high = range.most;
  int64_t reached = count_from<Ops>(scores, blocks, low), missed = 1;
  if (reached < least) return kNone;
  const float aim = rough_log2(least + (most - least) / 2);
  constexpr int kPasses = 24;
  for (int pass = 0; pass < kPasses && reached > most; ++pass) {
    // The number of scores beyond a threshold falls about exponentially with it.
    const float from = rough_log2(reached), to = rough_log2(missed);
    float share = from > to ? (from - aim) / (from - to) : 0.5f;
    if (pass % 3 == 2 || !(share > 0.02f && share < 0.98f)) share = 0.5f;
    const float pivot = low + (high - low) * share;
    if (!(pivot > low && pivot < high)) break;
    const int64_t found = count_from<Ops>(scores, blocks, pivot);
    if (found >= least) {
      low = pivot;
      reached = found;
    } else {
      high = pivot;
      missed = found > 0 ? found : 1;
    }
  }
  return low;
}

// The greatest scores of groups of at least `size` blocks, lane by lane.
inline void fold(const float* scores, int64_t blocks, int64_t groups, int64_t size,
                 float* greatest) {
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t last = group + 1 == groups ? blocks : (group + 1) * size;
    Floats most;
    for (int i = 0; i < kBlock; ++i) most[i] = -__builtin_inff();
    for (int64_t block = group * size; block < last; ++block) {
      Floats lane;
      __builtin_memcpy(&lane, scores + block * kBlock, sizeof lane);
      most = lane > most ? lane : most;  // not by NaN
    }
    __builtin_memcpy(greatest + group * kBlock, &most, sizeof most);
  }
}

// As threshold_for, for few of many scores: one pass folds them, and the others are
// over the greatest of each group. As many scores as groups reach a threshold, or a few
// more where two of a group do. `room` is for a kFold-th of the scores.
template <class Ops>
float threshold_of_few(const float* scores, int64_t count, int64_t least, int64_t most,
                       float* room) {
  constexpr int64_t kFold = 8;   // blocks in a group
  constexpr int64_t kSpare = 8;  // groups for each score that is wanted
  const int64_t blocks = (count + kBlock - 1) / kBlock, groups = blocks / kFold;
  if (groups * kBlock >= kSpare * least) {
    fold(scores, blocks, groups, kFold, room);
    const float threshold = threshold_for<Ops>(room, groups * kBlock, least, most);
    if (threshold > -__builtin_inff()) return threshold;
  }
  return threshold_for<Ops>(scores, count, least, most);
}

// Slots whose score is at least `threshold`, ascending; returns how many. Writes up to
// a block beyond them.
template <class Ops>
int64_t collect(const float* scores, int64_t blocks, float threshold, int32_t* slots) {
  int64_t count = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const uint32_t hits =
        Ops::hits(Ops::load_scores(scores + block * kBlock), threshold);
    Ops::write_lanes(hits, static_cast<int32_t>(block * kBlock), slots + count);
    count += __builtin_popcount(hits);
  }
  return count;
}

}  // namespace
}  // namespace gleann
