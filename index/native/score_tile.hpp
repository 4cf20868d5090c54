// All scores of a few queries against all lists, and what helps to pick the best.
//
// Included by kernel files only; see tile.hpp for `Ops`.
#pragma once

#include "kernels.hpp"
#include "tile.hpp"

namespace gleann {
namespace {

template <class Ops, int NB, int NQ>
void score_tile(const Panel& panel, int64_t block, const Group& group, int first,
                float* scores) {
  typename Ops::Acc sums[NQ][NB];
  multiply_tile<Ops, NB, NQ>(panel, block, group, first, sums);
  const int64_t slots = panel.blocks * kBlock;
  for (int q = 0; q < NQ; ++q) {
    for (int b = 0; b < NB; ++b) {
      const int64_t slot = (block + b) * kBlock;
      Ops::store(Ops::bias_score(sums[q][b], panel.biases + slot),
                 scores + (first + q) * slots + slot);
    }
  }
}

template <class Ops, int NB>
void score_blocks(const Panel& panel, int64_t block, const Group& group,
                  float* scores) {
  int first = 0;
  for (; first + Ops::kQueries <= group.count; first += Ops::kQueries) {
    score_tile<Ops, NB, Ops::kQueries>(panel, block, group, first, scores);
  }
  for (; first < group.count; ++first) {
    score_tile<Ops, NB, 1>(panel, block, group, first, scores);
  }
}

// scores[query][slot], slots padded to whole blocks; NaN past the last list.
template <class Ops>
void score(const Panel& panel, const Group& group, float* scores) {
  int64_t block = 0;
  for (; block + Ops::kBlocks <= panel.blocks; block += Ops::kBlocks) {
    score_blocks<Ops, Ops::kBlocks>(panel, block, group, scores);
  }
  for (; block < panel.blocks; ++block) {
    score_blocks<Ops, 1>(panel, block, group, scores);
  }
}

// The greatest score in each lane of every `stride` blocks: 16 maxima a stride. Written
// so that compilers turn it into vector maxima, which pass over NaN.
void lane_maxima(const float* scores, int64_t blocks, int64_t stride, float* maxima) {
  for (int64_t first = 0; first < blocks; first += stride, maxima += kBlock) {
    for (int i = 0; i < kBlock; ++i) maxima[i] = -__builtin_inff();
    const int64_t last = first + stride < blocks ? first + stride : blocks;
    for (int64_t block = first; block < last; ++block) {
      const float* lane = scores + block * kBlock;
      for (int i = 0; i < kBlock; ++i) {
        maxima[i] = lane[i] > maxima[i] ? lane[i] : maxima[i];
      }
    }
  }
}

// Slots whose score is at least `threshold`, ascending; returns how many.
template <class Ops>
int64_t collect(const float* scores, int64_t blocks, float threshold, int32_t* slots) {
  int64_t count = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    uint32_t hits = Ops::hits(Ops::load_scores(scores + block * kBlock), threshold);
    for (; hits != 0; hits &= hits - 1) {
      slots[count++] = static_cast<int32_t>(block * kBlock + __builtin_ctz(hits));
    }
  }
  return count;
}

}  // namespace
}  // namespace gleann
