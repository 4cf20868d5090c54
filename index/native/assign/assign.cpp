#include "assign/assign.hpp"

#include <algorithm>
#include <vector>

#include "base/threads.hpp"
#include "kernels/dispatch.hpp"

namespace gleann {
namespace {

constexpr int64_t kChunk = kMaxGroup;  // rows that share one pass over the centroids

void set_rows(Group& group, const float* rows, int64_t count, int64_t d) {
  group.count = static_cast<int>(count);
  group.queries = reinterpret_cast<const uint8_t*>(rows);
  group.stride = d * static_cast<int64_t>(sizeof(float));
}

}  // namespace

// Assigns one block of rows. Used by one thread.
class Assigner::Chunk {
 public:
  Chunk(const Assigner& assigner, const float* rows, int64_t count)
      : assigner_(assigner), rows_(rows), count_(count), d_(assigner.d_) {
    set_rows(group_, rows, count, d_);
  }

  void find_primary(int32_t* primary) { find(group_, nullptr, primary); }

  void find_secondary(const Spilling& spilling, const int32_t* primary,
                      int32_t* secondary) {
    if (spilling.rule == SpillRule::kNaive) {
      find(group_, primary, secondary);
    } else {
      measure_residuals(primary);
      if (spilling.rule == SpillRule::kAir) {
        find_air(spilling.lambda, secondary);
      } else {
        find_soar(spilling.lambda, secondary);
      }
    }
    const bool gated = spilling.rule != SpillRule::kNaive;
    for (int64_t i = 0; i < count_; ++i) {
      const bool zero = gated && squares_[i] <= spilling.zero;
      if (zero || secondary[i] == primary[i]) secondary[i] = -1;
    }
  }

 private:
  void find(const Group& rows, const int32_t* barred, int32_t* out) const {
    const AssignJob job{
        &assigner_.packed_.panel(), &rows, nullptr, barred, nullptr, nullptr, out};
    assigner_.kernels_.assign(job);
  }

  void measure_residuals(const int32_t* primary) {
    residuals_.resize(count_ * d_);
    along_.assign(count_, 0);
    squares_.assign(count_, 0);
    for (int64_t i = 0; i < count_; ++i) {
      const float* row = rows_ + i * d_;
      const float* centroid = assigner_.centroids_ + primary[i] * d_;
      float* residual = residuals_.data() + i * d_;
      for (int64_t j = 0; j < d_; ++j) {
        residual[j] = row[j] - centroid[j];
        along_[i] += residual[j] * row[j];
        squares_[i] += residual[j] * residual[j];
      }
    }
  }

  // The nearest list to x + (lambda / 2) r.
  void find_air(float lambda, int32_t* secondary) {
    for (int64_t i = 0; i < count_ * d_; ++i) {
      residuals_[i] = rows_[i] + lambda / 2 * residuals_[i];
    }
    Group shifted{};
    set_rows(shifted, residuals_.data(), count_, d_);
    find(shifted, nullptr, secondary);
  }

  void find_soar(float lambda, int32_t* secondary) {
    std::vector<float> weights(count_);
    for (int64_t i = 0; i < count_; ++i) {
      weights[i] = lambda / 2 / (squares_[i] > 0 ? squares_[i] : 1.0f);
    }
    Group residuals{};
    set_rows(residuals, residuals_.data(), count_, d_);
    const AssignJob job{
        &assigner_.packed_.panel(),
        &group_,
        &residuals,
        nullptr,
        along_.data(),
        weights.data(),
        secondary,
    };
    assigner_.kernels_.assign(job);
  }

  const Assigner& assigner_;
  const float* rows_;
  const int64_t count_;
  const int64_t d_;
  Group group_{};
  std::vector<float> residuals_;
  std::vector<float> along_;    // r.x
  std::vector<float> squares_;  // |r|^2
};

Assigner::Assigner(int64_t nlist, int64_t d, const float* centroids,
                   const float* biases, const std::string& tier)
    : nlist_(nlist),
      d_(d),
      centroids_(centroids),
      kernels_(choose_kernels(tier)),
      packed_(nlist, d, centroids, biases) {}

void Assigner::assign(const float* vectors, int64_t n, const Spilling& spilling,
                      int threads, int32_t* primary, int32_t* secondary) const {
  const bool spill = spilling.rule != SpillRule::kNone && nlist_ > 1;
  parallel_for((n + kChunk - 1) / kChunk, resolve_threads(threads), [&](int64_t task) {
    const int64_t first = task * kChunk;
    Chunk chunk(*this, vectors + first * d_, std::min(kChunk, n - first));
    chunk.find_primary(primary + first);
    if (spill) {
      chunk.find_secondary(spilling, primary + first, secondary + first);
    } else {
      std::fill_n(secondary + first, std::min(kChunk, n - first), -1);
    }
  });
}

}  // namespace gleann
