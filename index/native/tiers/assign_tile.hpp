// The kernel of all tiers that finds the best list of each row, in float32; see
// tile.hpp for `Ops`.
//
// Each lane keeps its best score and the list of it; lanes are compared at the end.
#pragma once

#include "kernels/kernels.hpp"
#include "tiers/lanes.hpp"
#include "tiers/tile.hpp"

namespace gleann {
namespace {

struct LaneBest {
  Floats scores;
  Ints list_nos;

  void clear() {
    for (int i = 0; i < kBlock; ++i) {
      scores[i] = -__builtin_inff();
      list_nos[i] = -1;
    }
  }
  // A NaN, which marks a slot past the last list, is never above anything.
  void offer(const Floats& offered, int32_t first_list) {
    const Ints lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Ints above = offered > scores;
    scores = above ? offered : scores;
    list_nos = above ? lanes + first_list : list_nos;
  }
  // A list that exists, whatever the scores: the first where none is a number above
  // -infinity.
  int32_t best() const {
    int at = 0;
    for (int i = 1; i < kBlock; ++i) {
      const bool tie = scores[i] == scores[at] && list_nos[i] < list_nos[at];
      if (scores[i] > scores[at] || tie) at = i;
    }
    return list_nos[at] < 0 ? 0 : list_nos[at];
  }
};

template <class Ops>
inline void store_lanes(const typename Ops::Scores& scores, Floats& lanes) {
  Ops::store(scores, reinterpret_cast<float*>(&lanes));
}

// dot + bias of NB blocks with NQ rows, less any list that a row must not take.
template <class Ops, int NB, int NQ>
void offer_tile(const AssignJob& job, int64_t block, int first, LaneBest* best) {
  typename Ops::Acc sums[NQ][NB];
  multiply_tile<Ops, NB, NQ>(*job.panel, block, *job.rows, first, sums);
  for (int b = 0; b < NB; ++b) {
    const int64_t slot = (block + b) * kBlock;
    for (int q = 0; q < NQ; ++q) {
      Floats scores;
      store_lanes<Ops>(Ops::bias_score(sums[q][b], job.panel->biases + slot), scores);
      if (job.barred) {
        const int64_t lane = job.barred[first + q] - slot;
        if (lane >= 0 && lane < kBlock) {
          scores[lane] = -__builtin_inff();
        }
      }
      best[q].offer(scores, static_cast<int32_t>(slot));
    }
  }
}

// dot + bias - weight * (along - residual dot)^2: SOAR's loss, negated and halved.
template <class Ops, int NB, int NQ>
void offer_soar_tile(const AssignJob& job, int64_t block, int first, LaneBest* best) {
  alignas(64) static const float kZeros[kBlock] = {};
  typename Ops::Acc sums[NQ][NB], residual_sums[NQ][NB];
  multiply_tile<Ops, NB, NQ>(*job.panel, block, *job.rows, first, sums);
  multiply_tile<Ops, NB, NQ>(*job.panel, block, *job.residuals, first, residual_sums);
  for (int b = 0; b < NB; ++b) {
    const int64_t slot = (block + b) * kBlock;
    for (int q = 0; q < NQ; ++q) {
      Floats scores, dots;
      store_lanes<Ops>(Ops::bias_score(sums[q][b], job.panel->biases + slot), scores);
      store_lanes<Ops>(Ops::bias_score(residual_sums[q][b], kZeros), dots);
      const Floats gap = job.along[first + q] - dots;
      scores -= job.weights[first + q] * gap * gap;
      best[q].offer(scores, static_cast<int32_t>(slot));
    }
  }
}

template <class Ops, int NB, int NQ>
inline void offer_any(const AssignJob& job, int64_t block, int first, LaneBest* best) {
  if (job.residuals) {
    offer_soar_tile<Ops, NB, NQ>(job, block, first, best);
  } else {
    offer_tile<Ops, NB, NQ>(job, block, first, best);
  }
}

template <class Ops, int NQ>
void assign_rows(const AssignJob& job, int first) {
  LaneBest best[NQ];
  for (int q = 0; q < NQ; ++q) best[q].clear();
  int64_t block = 0;
  for (; block + Ops::kBlocks <= job.panel->blocks; block += Ops::kBlocks) {
    offer_any<Ops, Ops::kBlocks, NQ>(job, block, first, best);
  }
  for (; block < job.panel->blocks; ++block) {
    offer_any<Ops, 1, NQ>(job, block, first, best);
  }
  for (int q = 0; q < NQ; ++q) job.list_nos[first + q] = best[q].best();
}

template <class Ops>
void assign(const AssignJob& job) {
  int first = 0;
  for (; first + Ops::kQueries <= job.rows->count; first += Ops::kQueries) {
    assign_rows<Ops, Ops::kQueries>(job, first);
  }
  for (; first < job.rows->count; ++first) assign_rows<Ops, 1>(job, first);
}

}  // namespace
}  // namespace gleann
