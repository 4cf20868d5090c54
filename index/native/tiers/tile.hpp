// The scan kernel of all tiers: blocks of entries times groups of queries.
//
// Included by the .cpp files of this folder only, after they have set their target, and
// instantiated with types of internal linkage only (see kernels/kernels.hpp).
//
// `Ops` gives the instructions of a tier:
//   kBlocks, kQueries   blocks and queries whose sums fit in the registers together
//   kSoloBlocks         blocks for a query on its own
//   kCodeStep           bytes of a block that one step reads
//   Acc, Codes, Query, Scores
//   start(int32) -> Acc; load(bytes) -> Codes; broadcast(bytes) -> Query
//   dot(Acc, Codes, Query) -> Acc
//   dot_score(Acc, scales), biased_score(Acc, scales, biases, factor),
//   whole_score(Acc), less_score(Acc, biases), bias_score(Acc, biases) -> Scores
//   hits(Scores, threshold) -> mask of 16 bits; store(Scores, float*);
//   load_scores(const float*) -> Scores; write_lanes(mask, first, int32* out)
#pragma once

#include "kernels/kernels.hpp"
#include "tiers/admit.hpp"
#include "tiers/pick.hpp"

namespace gleann {
namespace {

// dot * scale; dot * scale * factor - bias; the sum as it is; the sum - bias.
enum class Scoring { kDot, kBiasedDot, kWhole, kLess };

template <class Ops, Scoring S>
inline typename Ops::Scores scores_of(const typename Ops::Acc& acc, const Panel& panel,
                                      int64_t slot, float factor) {
  if constexpr (S == Scoring::kDot) {
    return Ops::dot_score(acc, panel.scales + slot);
  } else if constexpr (S == Scoring::kBiasedDot) {
    return Ops::biased_score(acc, panel.scales + slot, panel.biases + slot, factor);
  } else if constexpr (S == Scoring::kLess) {
    return Ops::less_score(acc, panel.biases + slot);
  } else {
    return Ops::whole_score(acc);
  }
}

constexpr int kMaskBlocks = 4;  // blocks whose hits fit in one word

// Put hits aside, to be offered to their query's sink later.
__attribute__((noinline)) void put_aside(Group& group, const Entries& entries, int q,
                                         int64_t slot, uint64_t hits,
                                         const float* scores) {
  for (; hits != 0; hits &= hits - 1) {
    const int lane = __builtin_ctzll(hits);
    const int64_t entry = slot + lane - entries.skip;
    if (entry < 0 || entry >= entries.count) continue;
    group.hits[group.hit_count++] = Hit{scores[lane], static_cast<int32_t>(entry), q};
  }
  if (__builtin_expect(group.hit_count >= kHitRoom, 0)) admit_all(group, entries);
}

// Handles a query's scores for NB blocks: those that pass its threshold are put aside.
// Mostly none passes, which one branch detects.
template <class Ops>
struct Offer {
  Group& group;
  const Entries& entries;

  template <int NB>
  void operator()(const typename Ops::Scores (&scores)[NB], int q, int64_t slot) const {
#pragma GCC unroll 8
    for (int first = 0; first < NB; first += kMaskBlocks) {
      constexpr int kCount = NB < kMaskBlocks ? NB : kMaskBlocks;
      offer<kCount>(scores + first, q, slot + first * kBlock);
    }
  }

 private:
  template <int NB>
  void offer(const typename Ops::Scores* scores, int q, int64_t slot) const {
    uint64_t hits = 0;
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) {
      hits |= uint64_t{Ops::hits(scores[b], group.thresholds[q])} << b * kBlock;
    }
    if (__builtin_expect(hits == 0, 1)) return;
    alignas(64) float stored[NB * kBlock];
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) Ops::store(scores[b], stored + b * kBlock);
    put_aside(group, entries, q, slot, hits, stored);
  }
};

// Writes all scores to scores[query][slot].
template <class Ops>
struct Store {
  float* scores;
  int64_t slots;

  template <int NB>
  void operator()(const typename Ops::Scores (&found)[NB], int q, int64_t slot) const {
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) {
      Ops::store(found[b], scores + q * slots + slot + b * kBlock);
    }
  }
};

struct FetchNothing {
  template <int kBytes>
  void next() {}
};

// Fetches codes into the L2 cache, as many at each step as the products of the step
// read: so their misses overlap with those of the codes at hand.
struct FetchAhead {
  Alone& alone;
  const uint8_t* at = alone.at;

  template <int kBytes>
  void next() {
    if (at >= alone.end) return;
    constexpr int kRead = 0, kToL2 = 2;
#pragma GCC unroll 8
    for (int i = 0; i < kBytes; i += kCacheLine)
      __builtin_prefetch(at + i, kRead, kToL2);
    at += kBytes;
  }
  ~FetchAhead() { alone.at = at; }
};

// The scales and biases of as many blocks.
inline void fetch_numbers(Alone& alone, int64_t blocks) {
  for (; blocks > 0 && alone.blocks > 0; --blocks, --alone.blocks) {
    if (alone.scales) {
      __builtin_prefetch(alone.scales);
      alone.scales += kBlock;
    }
    if (alone.biases) {
      __builtin_prefetch(alone.biases);
      alone.biases += kBlock;
    }
  }
}

// Sums of NB blocks times NQ queries. Every index into `acc` is a constant once the
// loops are unrolled, which is what lets the compiler keep it in registers; so the sums
// leave through `sums` only at the end.
template <class Ops, int NB, int NQ, class Fetch>
inline void multiply_fetching(const Panel& panel, int64_t block, const Group& group,
                              int first, Fetch fetch,
                              typename Ops::Acc (&sums)[NQ][NB]) {
  typename Ops::Acc acc[NQ][NB];
  const uint8_t* queries[NQ];
#pragma GCC unroll 8
  for (int q = 0; q < NQ; ++q) {
    queries[q] = group.queries + (first + q) * group.stride;
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) acc[q][b] = Ops::start(group.starts[first + q]);
  }
  const int64_t block_bytes = panel.block_bytes;
  const uint8_t* codes = panel.codes + block * block_bytes;
  const int64_t query_bytes = int64_t{panel.steps} * kStepBytes;
  for (int64_t at = 0; at < query_bytes; at += kStepBytes) {
    fetch.template next<NB * Ops::kCodeStep>();
    typename Ops::Codes loaded[NB];
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) loaded[b] = Ops::load(codes + b * block_bytes);
#pragma GCC unroll 8
    for (int q = 0; q < NQ; ++q) {
      const auto query = Ops::broadcast(queries[q] + at);
#pragma GCC unroll 8
      for (int b = 0; b < NB; ++b) acc[q][b] = Ops::dot(acc[q][b], loaded[b], query);
    }
    codes += Ops::kCodeStep;
  }
#pragma GCC unroll 8
  for (int q = 0; q < NQ; ++q) {
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) sums[q][b] = acc[q][b];
  }
}

template <class Ops, int NB, int NQ>
inline void multiply_tile(const Panel& panel, int64_t block, const Group& group,
                          int first, typename Ops::Acc (&sums)[NQ][NB]) {
  multiply_fetching<Ops>(panel, block, group, first, FetchNothing{}, sums);
}

// A query on its own uses each code once and waits for it: so it fetches meanwhile.
template <class Ops, int NB>
inline void multiply_alone(const Panel& panel, int64_t block, const Group& group,
                           int first, typename Ops::Acc (&sums)[1][NB]) {
  if (group.alone == nullptr) {
    return multiply_tile<Ops, NB, 1>(panel, block, group, first, sums);
  }
  fetch_numbers(*group.alone, NB);
  multiply_fetching<Ops>(panel, block, group, first, FetchAhead{*group.alone}, sums);
}

template <class Ops, Scoring S, int NB, int NQ, class Take>
void tile(const Panel& panel, int64_t block, const Group& group, int first,
          const Take& take) {
  typename Ops::Acc sums[NQ][NB];
  if constexpr (NQ == 1) {
    multiply_alone<Ops>(panel, block, group, first, sums);
  } else {
    multiply_tile<Ops, NB, NQ>(panel, block, group, first, sums);
  }
  const int64_t slot = block * kBlock;
  // Not unrolled: the compiler would move the sums about during the multiplication.
  for (int q = 0; q < NQ; ++q) {
    typename Ops::Scores scores[NB];
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) {
      scores[b] = scores_of<Ops, S>(sums[q][b], panel, slot + b * kBlock,
                                    group.factors[first + q]);
    }
    take(scores, first + q, slot);
  }
}

// Selects the tile compiled for numbers known at run time.
template <class Ops, Scoring S, int NB, int NQ, class Take>
inline void tile_of(int count, const Panel& panel, int64_t block, const Group& group,
                    int first, const Take& take) {
  if (count == NQ) {
    tile<Ops, S, NB, NQ>(panel, block, group, first, take);
  } else if constexpr (NQ > 1) {
    tile_of<Ops, S, NB, NQ - 1>(count, panel, block, group, first, take);
  }
}

// All queries against NB blocks, in tiles of nearly equal size: a last tile of one
// query would cost almost as much as a full one.
template <class Ops, Scoring S, int NB, class Take>
void visit_blocks(const Panel& panel, int64_t block, const Group& group,
                  const Take& take) {
  const int tiles = (group.count + Ops::kQueries - 1) / Ops::kQueries;
  for (int t = 0; t < tiles; ++t) {
    const int first = group.count * t / tiles;
    const int last = group.count * (t + 1) / tiles;
    tile_of<Ops, S, NB, Ops::kQueries>(last - first, panel, block, group, first, take);
  }
}

template <class Ops, Scoring S, int NB, class Take>
inline void visit_rest(const Panel& panel, int64_t block, const Group& group,
                       const Take& take) {
  if (panel.blocks - block == NB) {
    visit_blocks<Ops, S, NB>(panel, block, group, take);
  } else if constexpr (NB > 1) {
    visit_rest<Ops, S, NB - 1>(panel, block, group, take);
  }
}

// Calls `take` with every score of the panel for every query of the group.
template <class Ops, Scoring S, class Take>
void visit(const Panel& panel, const Group& group, const Take& take) {
  int64_t block = 0;
  if (group.count == 1) {
    for (; block + Ops::kSoloBlocks <= panel.blocks; block += Ops::kSoloBlocks) {
      tile<Ops, S, Ops::kSoloBlocks, 1>(panel, block, group, 0, take);
    }
  }
  for (; block + Ops::kBlocks <= panel.blocks; block += Ops::kBlocks) {
    visit_blocks<Ops, S, Ops::kBlocks>(panel, block, group, take);
  }
  visit_rest<Ops, S, Ops::kBlocks>(panel, block, group, take);
}

template <class Ops, Scoring S>
void scan(const Panel& panel, Group& group, const Entries& entries) {
  visit<Ops, S>(panel, group, Offer<Ops>{group, entries});
  if (group.alone) {
    keep_waiting(group, entries);
  } else {
    admit_all(group, entries);
  }
}

template <class Ops, Scoring S>
void score(const Panel& panel, const Group& group, float* scores) {
  visit<Ops, S>(panel, group, Store<Ops>{scores, panel.blocks * kBlock});
}

// The scan of a query's first list from the scores that `score` has written: entries
// that are surely wanted set the threshold before any is offered.
template <class Ops>
void seed(const float* scores, int64_t blocks, Group& group, int q,
          const Entries& entries) {
  Sink& sink = *group.sinks[q];
  const int64_t sure = entries.sure / kBlock;
  if (sure * kBlock >= sink.rerank) {
    const int64_t most = sink.rerank + (sink.capacity - sink.rerank) / 2;
    sink.threshold = threshold_for<Ops>(scores, sure * kBlock, sink.rerank, most);
    group.thresholds[q] = sink.threshold;
  }
  const Offer<Ops> offer{group, entries};
  for (int64_t block = 0; block < blocks; ++block) {
    const typename Ops::Scores loaded[1] = {Ops::load_scores(scores + block * kBlock)};
    offer(loaded, q, block * kBlock);
  }
  // The hits of a first list set the threshold of the next: they do not wait.
  const bool first = entries.sure > 0 || !(sink.threshold > -__builtin_inff());
  if (group.alone && !first) {
    keep_waiting(group, entries);
  } else {
    admit_all(group, entries);
  }
}

using Encode = QueryScale (*)(const float*, const float*, int64_t, const Layout&,
                              uint8_t*);

template <class Ops, Scoring S>
constexpr ScanKernels vector_kernels(const Layout& layout, Encode encode) {
  return ScanKernels{
      layout,    encode, scan<Ops, S>, score<Ops, S>, nullptr,
      seed<Ops>, finish, nullptr,      nullptr,
  };
}

// Float32, one dimension per step.
constexpr Layout kFloatLayout{
    1, sizeof(float), kBlock * sizeof(float), 0, 0, false, sizeof(float),
};

}  // namespace
}  // namespace gleann
