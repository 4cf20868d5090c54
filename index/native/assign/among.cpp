// Assignment of rows among a few lists each, by products that are summed in double.
#include <algorithm>
#include <limits>
#include <vector>

#include "assign/assign.hpp"
#include "base/require.hpp"
#include "base/threads.hpp"
#include "kernels/dispatch.hpp"

namespace gleann {
namespace {

constexpr int64_t kRowsATask = 256;

}  // namespace

// Chooses the lists of one row after another. Used by one thread.
class Assigner::Choice {
 public:
  Choice(const Assigner& assigner, int64_t width, const Spilling& spilling)
      : assigner_(assigner),
        width_(width),
        spilling_(spilling),
        residual_(assigner.d_),
        dots_(width),
        residual_dots_(width),
        scores_(width) {}

  int32_t primary(const float* row, const int32_t* list_nos) {
    multiply(row, list_nos, dots_);
    for (int64_t i = 0; i < width_; ++i) scores_[i] = dots_[i] + bias(list_nos[i]);
    return best(list_nos, -1);
  }

  // The second list, -1 for none; after `primary` of the same row.
  int32_t secondary(const float* row, const int32_t* list_nos, int32_t primary) {
    if (spilling_.rule == SpillRule::kNaive) {
      const int32_t second = best(list_nos, primary);
      return second == primary ? -1 : second;
    }
    const float square = measure_residual(row, primary);
    if (square <= spilling_.zero) return -1;
    multiply(residual_.data(), list_nos, residual_dots_);
    const float weight = spilling_.lambda / 2;
    for (int64_t i = 0; i < width_; ++i) {
      scores_[i] = dots_[i] + bias(list_nos[i]);
      if (spilling_.rule == SpillRule::kAir) {
        scores_[i] += weight * residual_dots_[i];
      } else {
        const float gap = along_ - residual_dots_[i];
        scores_[i] -= weight / (square > 0 ? square : 1.0f) * gap * gap;
      }
    }
    const int32_t second = best(list_nos, -1);
    return second == primary ? -1 : second;
  }

 private:
  float bias(int32_t list_no) const {
    return assigner_.packed_.panel().biases[list_no];
  }

  void multiply(const float* row, const int32_t* list_nos, std::vector<float>& dots) {
    assigner_.kernels_.distances(row, assigner_.centroids_, list_nos, width_,
                                 assigner_.d_, Distance::kNegatedDot, dots.data());
    for (float& dot : dots) dot = -dot;
  }

  // Squared length of the residual; also sets r.x.
  float measure_residual(const float* row, int32_t primary) {
    const float* centroid = assigner_.centroids_ + primary * assigner_.d_;
    float square = 0;
    along_ = 0;
    for (int64_t j = 0; j < assigner_.d_; ++j) {
      residual_[j] = row[j] - centroid[j];
      along_ += residual_[j] * row[j];
      square += residual_[j] * residual_[j];
    }
    return square;
  }

  // The list of the best score, ties to the lower number; `barred` is not taken if
  // there is another. One that exists, whatever the scores.
  int32_t best(const int32_t* list_nos, int32_t barred) const {
    int32_t found = -1;
    float most = -std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < width_; ++i) {
      if (list_nos[i] == barred) continue;
      const bool tie = scores_[i] == most && list_nos[i] < found;
      if (found < 0 || scores_[i] > most || tie) {
        found = list_nos[i];
        most = scores_[i] > most ? scores_[i] : most;
      }
    }
    return found < 0 ? barred : found;
  }

  const Assigner& assigner_;
  const int64_t width_;
  const Spilling& spilling_;
  float along_ = 0;  // r.x
  std::vector<float> residual_;
  std::vector<float> dots_, residual_dots_;  // of the row and its residual
  std::vector<float> scores_;
};

void Assigner::assign_among(const float* vectors, int64_t n, const int32_t* list_nos,
                            int64_t width, const Spilling& spilling, int threads,
                            int32_t* primary, int32_t* secondary) const {
  for (int64_t i = 0; i < n * width; ++i) {
    require(list_nos[i] >= 0 && list_nos[i] < nlist_, "a list does not exist");
  }
  const bool spill = spilling.rule != SpillRule::kNone && nlist_ > 1;
  const int64_t tasks = (n + kRowsATask - 1) / kRowsATask;
  parallel_for(tasks, resolve_threads(threads), [&](int64_t task) {
    Choice choice(*this, width, spilling);
    const int64_t end = std::min(n, (task + 1) * kRowsATask);
    for (int64_t row = task * kRowsATask; row < end; ++row) {
      const float* vector = vectors + row * d_;
      const int32_t* among = list_nos + row * width;
      primary[row] = choice.primary(vector, among);
      secondary[row] = spill ? choice.secondary(vector, among, primary[row]) : -1;
    }
  });
}

}  // namespace gleann
