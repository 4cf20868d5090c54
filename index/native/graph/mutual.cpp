#include "graph/mutual.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <vector>

#include "base/keys.hpp"
#include "base/require.hpp"
#include "base/threads.hpp"

namespace gleann {
namespace {

constexpr int64_t kRowsATask = 4096;
constexpr uint64_t kNoKey = std::numeric_limits<uint64_t>::max();

// The reversed candidates, grouped by receiving row with a counting sort. One is kept
// only if it is nearer than the receiver's k-th own candidate, which few are.
class Mutual {
 public:
  Mutual(const CandidateTable& candidates, int64_t k, int threads)
      : candidates_(candidates),
        k_(k),
        threads_(threads),
        cutoffs_(candidates.n),
        ends_(new std::atomic<int64_t>[candidates.n + 1]) {
    for (int64_t row = 0; row <= candidates.n; ++row) ends_[row].store(0);
    for_rows(candidates.n, kRowsATask, threads,
             [this](int64_t row) { cutoffs_[row] = cutoff(row); });
  }

  void exchange() {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    for_rows(candidates_.n, kRowsATask, threads_, [this](int64_t row) {
      visit_offers(
          row, [this](int32_t to, uint64_t) { ends_[to + 1].fetch_add(1, kRelaxed); });
    });
    for (int64_t row = 0; row < candidates_.n; ++row) {
      ends_[row + 1].fetch_add(ends_[row].load(kRelaxed), kRelaxed);
    }
    offers_.resize(ends_[candidates_.n].load(kRelaxed));
    // Filling moves each row's start to its end, which is the next row's start.
    for_rows(candidates_.n, kRowsATask, threads_, [this](int64_t row) {
      visit_offers(row, [this](int32_t to, uint64_t key) {
        offers_[ends_[to].fetch_add(1, kRelaxed)] = key;
      });
    });
  }

  void write(int32_t* rows, float* distances) const {
    for_rows(candidates_.n, kRowsATask, threads_, [&](int64_t row) {
      thread_local std::vector<uint64_t> keys;
      gather(row, keys);
      const auto found = static_cast<int64_t>(keys.size());
      const int64_t best = std::min(found, k_);
      std::partial_sort(keys.begin(), keys.begin() + best, keys.end());
      for (int64_t i = 0; i < best; ++i) {
        rows[row * k_ + i] = key_row(keys[i]);
        distances[row * k_ + i] = 0.0f - key_score(keys[i]);
      }
      std::fill(rows + row * k_ + best, rows + (row + 1) * k_, -1);
      std::fill(distances + row * k_ + best, distances + (row + 1) * k_,
                std::numeric_limits<float>::infinity());
    });
  }

 private:
  template <class Visit>
  void visit_candidates(int64_t row, int64_t most, const Visit& visit) const {
    const int32_t* rows = candidates_.rows + row * candidates_.width;
    const float* distances = candidates_.distances + row * candidates_.width;
    for (int64_t i = 0; i < candidates_.width && rows[i] >= 0 && most > 0; ++i) {
      if (rows[i] == row) continue;
      visit(rows[i], distances[i]);
      --most;
    }
  }

  // Key of the row's k-th own candidate. Keys ascend as scores descend, and the score
  // is the negated distance.
  uint64_t cutoff(int64_t row) const {
    int64_t found = 0;
    uint64_t kth = kNoKey;
    // All are checked, since all are offered the row.
    visit_candidates(row, candidates_.width, [&](int32_t other, float distance) {
      require(other < candidates_.n, "a pooled row does not exist");
      if (++found == k_) kth = make_key(-distance, other);
    });
    return kth;
  }

  template <class Visit>
  void visit_offers(int64_t row, const Visit& visit) const {
    visit_candidates(row, candidates_.width, [&](int32_t to, float distance) {
      const uint64_t key = make_key(-distance, static_cast<int32_t>(row));
      if (key < cutoffs_[to]) visit(to, key);
    });
  }

  // The row's k nearest candidates, and the reversed ones that are not among them.
  void gather(int64_t row, std::vector<uint64_t>& keys) const {
    keys.clear();
    visit_candidates(row, k_, [&](int32_t other, float distance) {
      keys.push_back(make_key(-distance, other));
    });
    const std::size_t own = keys.size();
    const int64_t first = row == 0 ? 0 : ends_[row - 1].load();
    for (int64_t i = first; i < ends_[row].load(); ++i) {
      const int32_t from = key_row(offers_[i]);
      const auto same = [&](uint64_t key) { return key_row(key) == from; };
      if (std::none_of(keys.begin(), keys.begin() + own, same)) {
        keys.push_back(offers_[i]);
      }
    }
  }

  const CandidateTable& candidates_;
  const int64_t k_;
  const int threads_;
  std::vector<uint64_t> cutoffs_;
  std::unique_ptr<std::atomic<int64_t>[]> ends_;
  std::vector<uint64_t> offers_;
};

}  // namespace

void mutual_neighbours(const CandidateTable& candidates, int64_t k, int threads,
                       int32_t* rows, float* distances) {
  Mutual mutual(candidates, k, resolve_threads(threads));
  mutual.exchange();
  mutual.write(rows, distances);
}

}  // namespace gleann
