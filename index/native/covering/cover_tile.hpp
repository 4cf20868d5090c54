// The covering kernel of all tiers: blocks of rows times groups of centres.
//
// Included by the tiers of this folder only, after they have set their target, and
// instantiated with types of internal linkage only (see kernels/kernels.hpp).
//
// `Ops` holds a tier's few instructions:
//   kBlocks, kCentres  blocks and centres whose sums fit in the registers together
//   kBlockStep         bytes of a block that one step reads
//   Acc, Codes, Centre
//   start(int32) -> Acc; load(bytes) -> Codes; broadcast(bytes) -> Centre
//   dot(Acc, Codes, Centre) -> Acc
//   below(Acc, job, slot, centre) -> mask of the slots whose bound is below their limit
#pragma once

#include "covering/covering.hpp"

#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

namespace gleann {
namespace {

constexpr int kCoverLanes = 16;

// The definition of selection/coreset/distance, bit for bit: the same order of sums,
// and no fused multiply-add, which would round once where NumPy rounds twice.
inline double squared_distance(const float* a, const float* b, int64_t d) {
  double lanes[kCoverLanes] = {};
  int64_t i = 0;
  for (; i + kCoverLanes <= d; i += kCoverLanes) {
    for (int j = 0; j < kCoverLanes; ++j) {
      const double x = static_cast<double>(a[i + j]) - b[i + j];
      lanes[j] += x * x;
    }
  }
  for (int j = 0; i + j < d; ++j) {
    const double x = static_cast<double>(a[i + j]) - b[i + j];
    lanes[j] += x * x;
  }
  for (int half = kCoverLanes / 2; half; half /= 2) {
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

void squared_distances(const float* from, const float* vectors, const int64_t* rows,
                       int64_t count, int64_t d, double* out) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = squared_distance(from, vectors + rows[i] * d, d);
  }
}

// Update those of 16 slots that are nearer to this centre than to any before.
inline void settle(const CoverJob& job, int64_t slot, uint32_t hits,
                   const CoverCentre& centre) {
  const float* to = job.vectors + centre.row * job.d;
  for (; hits; hits &= hits - 1) {
    const int64_t at = slot + __builtin_ctz(hits);
    const int64_t row = job.rows[at];
    const double found = squared_distance(job.vectors + row * job.d, to, job.d);
    if (found < job.squared[row]) {
      job.squared[row] = found;
      job.nearest[row] = centre.position;
      job.limits[at] = cover_limit(found, job.unit, job.squares[at]);
    }
  }
}

template <class Ops, int NB, int NC>
void cover_tile(const CoverJob& job, int64_t block, const int32_t* which) {
  typename Ops::Acc acc[NC][NB];
  const uint8_t* centres[NC];
#pragma GCC unroll 8
  for (int c = 0; c < NC; ++c) {
    centres[c] = job.centre_codes + int64_t{which[c]} * job.steps * 4;
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) acc[c][b] = Ops::start(job.centres[which[c]].start);
  }
  const int64_t block_bytes = int64_t{job.steps} * Ops::kBlockStep;
  const uint8_t* codes = job.codes + block * block_bytes;
  for (int64_t at = 0; at < int64_t{job.steps} * 4; at += 4) {
    typename Ops::Codes loaded[NB];
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) loaded[b] = Ops::load(codes + b * block_bytes);
#pragma GCC unroll 8
    for (int c = 0; c < NC; ++c) {
      const auto centre = Ops::broadcast(centres[c] + at);
#pragma GCC unroll 8
      for (int b = 0; b < NB; ++b) acc[c][b] = Ops::dot(acc[c][b], loaded[b], centre);
    }
    codes += Ops::kBlockStep;
  }
#pragma GCC unroll 8
  for (int c = 0; c < NC; ++c) {
    const CoverCentre& centre = job.centres[which[c]];
#pragma GCC unroll 8
    for (int b = 0; b < NB; ++b) {
      const int64_t slot = (block + b) * kCoverBlock;
      const uint32_t hits = Ops::below(acc[c][b], job, slot, centre);
      if (__builtin_expect(hits != 0, 0)) settle(job, slot, hits, centre);
    }
  }
}

// Selects the tile compiled for a number known at run time.
template <class Ops, int NB, int NC>
inline void cover_tile_of(int64_t count, const CoverJob& job, int64_t block,
                          const int32_t* which) {
  if (count == NC) {
    cover_tile<Ops, NB, NC>(job, block, which);
  } else if constexpr (NC > 1) {
    cover_tile_of<Ops, NB, NC - 1>(count, job, block, which);
  }
}

template <class Ops, int NB>
void cover_blocks(const CoverJob& job, int64_t block) {
  const int64_t tiles = (job.count + Ops::kCentres - 1) / Ops::kCentres;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t first = job.count * t / tiles, last = job.count * (t + 1) / tiles;
    cover_tile_of<Ops, NB, Ops::kCentres>(last - first, job, block, job.which + first);
  }
}

template <class Ops, int NB>
inline void cover_rest(const CoverJob& job, int64_t block) {
  if (job.blocks - block == NB) {
    cover_blocks<Ops, NB>(job, block);
  } else if constexpr (NB > 1) {
    cover_rest<Ops, NB - 1>(job, block);
  }
}

template <class Ops>
void cover(const CoverJob& job) {
  int64_t block = 0;
  for (; block + Ops::kBlocks <= job.blocks; block += Ops::kBlocks) {
    cover_blocks<Ops, Ops::kBlocks>(job, block);
  }
  cover_rest<Ops, Ops::kBlocks>(job, block);
}

}  // namespace
}  // namespace gleann
