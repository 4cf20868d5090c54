// The scan, once for all tiers: blocks of entries times groups of queries.
//
// Included by kernel files only, after they have chosen their instruction set, and
// instantiated with types of internal linkage only (see kernels.hpp).
//
// `Ops` holds a tier's few instructions:
//   kBlocks, kQueries   blocks and queries whose sums fit in the registers together
//   kSoloBlocks         blocks for a query on its own
//   kCodeStep           bytes of a block that one step reads
//   Acc, Codes, Query, Scores
//   start(int32) -> Acc; load(bytes) -> Codes; broadcast(bytes) -> Query
//   dot(Acc, Codes, Query) -> Acc
//   dot_score(Acc, scales), l2_score(Acc, scales, biases, factor),
//   bias_score(Acc, biases) -> Scores
//   hits(Scores, threshold) -> mask of 16 bits; store(Scores, float*)
#pragma once

#include "admit.hpp"
#include "kernels.hpp"

namespace gleann {
namespace {

enum class Scoring { kDot, kL2 };

template <class Ops, Scoring S>
inline typename Ops::Scores scores_of(const typename Ops::Acc& acc, const Panel& panel,
                                  int64_t slot, float factor) {
  if constexpr (S == Scoring::kDot) {
    return Ops::dot_score(acc, panel.scales + slot);
  } else {
    return Ops::l2_score(acc, panel.scales + slot, panel.biases + slot, factor);
  }
}

// Score 16 sums of one query and offer what passes its threshold. Most pass nothing.
template <class Ops, Scoring S>
inline void finish(const typename Ops::Acc& acc, const Panel& panel, Group& group, int q,
                   int64_t slot, const Entries& entries) {
  const auto scores = scores_of<Ops, S>(acc, panel, slot, group.factors[q]);
  const uint32_t hits = Ops::hits(scores, group.thresholds[q]);
  if (__builtin_expect(hits != 0, 0)) {
    alignas(64) float stored[kBlock];
    Ops::store(scores, stored);
    admit(group, q, stored, hits, slot, entries);
  }
}

// Sums of NB blocks times NQ queries. Every index into `acc` is a constant once the
// loops are unrolled, which is what lets the compiler keep it in registers; so the sums
// leave through `sums` only at the end.
template <class Ops, int NB, int NQ>
inline void multiply_tile(const Panel& panel, int64_t block, const Group& group,
                          int first, typename Ops::Acc (&sums)[NQ][NB]) {
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

template <class Ops, Scoring S, int NB, int NQ>
void tile(const Panel& panel, int64_t block, Group& group, int first,
          const Entries& entries) {
  typename Ops::Acc sums[NQ][NB];
  multiply_tile<Ops, NB, NQ>(panel, block, group, first, sums);
  for (int q = 0; q < NQ; ++q) {
    for (int b = 0; b < NB; ++b) {
      finish<Ops, S>(sums[q][b], panel, group, first + q, (block + b) * kBlock, entries);
    }
  }
}

// From numbers known when running to the tile compiled for them.
template <class Ops, Scoring S, int NB, int NQ>
inline void tile_of(int count, const Panel& panel, int64_t block, Group& group, int first,
                    const Entries& entries) {
  if (count == NQ) {
    tile<Ops, S, NB, NQ>(panel, block, group, first, entries);
  } else if constexpr (NQ > 1) {
    tile_of<Ops, S, NB, NQ - 1>(count, panel, block, group, first, entries);
  }
}

// All queries against NB blocks, in tiles of nearly equal size: a last tile of one
// query would cost almost as much as a full one.
template <class Ops, Scoring S, int NB>
void scan_blocks(const Panel& panel, int64_t block, Group& group,
                 const Entries& entries) {
  const int tiles = (group.count + Ops::kQueries - 1) / Ops::kQueries;
  for (int t = 0; t < tiles; ++t) {
    const int first = group.count * t / tiles;
    const int last = group.count * (t + 1) / tiles;
    tile_of<Ops, S, NB, Ops::kQueries>(last - first, panel, block, group, first, entries);
  }
}

template <class Ops, Scoring S, int NB>
inline void scan_rest(const Panel& panel, int64_t block, Group& group,
                      const Entries& entries) {
  if (panel.blocks - block == NB) {
    scan_blocks<Ops, S, NB>(panel, block, group, entries);
  } else if constexpr (NB > 1) {
    scan_rest<Ops, S, NB - 1>(panel, block, group, entries);
  }
}

template <class Ops, Scoring S>
void scan(const Panel& panel, Group& group, const Entries& entries) {
  int64_t block = 0;
  if (group.count == 1) {
    for (; block + Ops::kSoloBlocks <= panel.blocks; block += Ops::kSoloBlocks) {
      tile<Ops, S, Ops::kSoloBlocks, 1>(panel, block, group, 0, entries);
    }
  }
  for (; block + Ops::kBlocks <= panel.blocks; block += Ops::kBlocks) {
    scan_blocks<Ops, S, Ops::kBlocks>(panel, block, group, entries);
  }
  scan_rest<Ops, S, Ops::kBlocks>(panel, block, group, entries);
}

}  // namespace
}  // namespace gleann
