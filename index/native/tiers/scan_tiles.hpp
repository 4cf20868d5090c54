// The scan on matrix tiles (AMX): 32 queries times 32 entries at a time.
//
// Included by amx.cpp and amx_emulated.cpp only. `Tiles` gives the tile operations, in
// hardware or emulated, so that the same kernel is tested on CPUs without AMX:
//   zero<T>(); load<T>(bytes, stride); dot<C, A, B>(); store<T>(int32*)
// where queries (A) are signed and codes (B) unsigned. `Ops` (tile.hpp) turns the sums
// into scores; sum(int32*, int32) -> Acc adds the initial value of each sum.
//
// Tiles 0..3 hold sums [queries][entries], 4 and 5 queries, 6 and 7 entries. A query
// tile is 16 rows of codes, an entry tile a run of steps of one block just as stored.
#pragma once

#include "kernels/kernels.hpp"
#include "tiers/tile.hpp"

namespace gleann {
namespace {

constexpr int kTileRows = 16;
constexpr int kStepCodes = kBlock * kStepBytes;  // bytes of a block in one step

template <class Tiles, bool kTwoBlocks>
inline void multiply_step(const uint8_t* queries, int64_t stride, const uint8_t* codes,
                          int64_t block_bytes, bool two_queries) {
  Tiles::template load<4>(queries, stride);
  Tiles::template load<6>(codes, kStepCodes);
  Tiles::template dot<0, 4, 6>();
  if constexpr (kTwoBlocks) {
    Tiles::template load<7>(codes + block_bytes, kStepCodes);
    Tiles::template dot<1, 4, 7>();
  }
  if (!two_queries) return;
  Tiles::template load<5>(queries + kTileRows * stride, stride);
  Tiles::template dot<2, 5, 6>();
  if constexpr (kTwoBlocks) Tiles::template dot<3, 5, 7>();
}

// sums[query tile][block][query][entry]
using Sums = int32_t[2][2][kTileRows][kBlock];

template <class Tiles, bool kTwoBlocks>
inline void multiply(const Panel& panel, int64_t block, const Group& group, int first,
                     bool two_queries, Sums& sums) {
  Tiles::template zero<0>();
  Tiles::template zero<1>();
  Tiles::template zero<2>();
  Tiles::template zero<3>();
  const uint8_t* queries = group.queries + first * group.stride;
  const uint8_t* codes = panel.codes + block * panel.block_bytes;
  for (int s = 0; s < panel.steps; s += panel.tile_steps) {
    multiply_step<Tiles, kTwoBlocks>(queries + s * kStepBytes, group.stride,
                                     codes + s * kStepCodes, panel.block_bytes,
                                     two_queries);
  }
  Tiles::template store<0>(&sums[0][0][0][0]);
  if constexpr (kTwoBlocks) Tiles::template store<1>(&sums[0][1][0][0]);
  if (!two_queries) return;
  Tiles::template store<2>(&sums[1][0][0][0]);
  if constexpr (kTwoBlocks) Tiles::template store<3>(&sums[1][1][0][0]);
}

template <class Tiles, class Ops, Scoring S, bool kTwoBlocks, class Take>
void visit_tile_blocks(const Panel& panel, int64_t block, const Group& group,
                       const Take& take) {
  alignas(64) Sums sums;
  for (int first = 0; first < group.count; first += 2 * kTileRows) {
    const int rest = group.count - first;
    const int count = rest < 2 * kTileRows ? rest : 2 * kTileRows;
    multiply<Tiles, kTwoBlocks>(panel, block, group, first, count > kTileRows, sums);
    for (int q = 0; q < count; ++q) {
      typename Ops::Scores scores[1 + kTwoBlocks];
      for (int b = 0; b < 1 + kTwoBlocks; ++b) {
        const auto acc =
            Ops::sum(sums[q / kTileRows][b][q % kTileRows], group.starts[first + q]);
        scores[b] = scores_of<Ops, S>(acc, panel, (block + b) * kBlock,
                                      group.factors[first + q]);
      }
      take(scores, first + q, block * kBlock);
    }
  }
}

// Reads whole tiles of queries: the buffer behind `group` holds kMaxGroup of them.
template <class Tiles, class Ops, Scoring S, class Take>
void visit_tiles(const Panel& panel, const Group& group, const Take& take) {
  int64_t block = 0;
  for (; block + 2 <= panel.blocks; block += 2) {
    visit_tile_blocks<Tiles, Ops, S, true>(panel, block, group, take);
  }
  if (block < panel.blocks) {
    visit_tile_blocks<Tiles, Ops, S, false>(panel, block, group, take);
  }
}

template <class Tiles, class Ops, Scoring S>
void scan_tiles(const Panel& panel, Group& group, const Entries& entries) {
  visit_tiles<Tiles, Ops, S>(panel, group, Offer<Ops>{group, entries});
  admit_all(group, entries);
}

template <class Tiles, class Ops, Scoring S>
void score_tiles(const Panel& panel, const Group& group, float* scores) {
  visit_tiles<Tiles, Ops, S>(panel, group, Store<Ops>{scores, panel.blocks * kBlock});
}

static_assert(kMaxGroup % (2 * kTileRows) == 0, "groups are whole tiles");

}  // namespace
}  // namespace gleann
