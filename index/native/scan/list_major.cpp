// Many queries: list after list, each scanned for all the queries that probe it.
#include <algorithm>
#include <mutex>
#include <vector>

#include "base/threads.hpp"
#include "scan/engine.hpp"
#include "scan/query_batch.hpp"
#include "scan/scan_session.hpp"

namespace gleann {
namespace {

constexpr int64_t kBatchBytes = int64_t{32} << 20;

// The (query, list) pairs of some ranks, by list: counting sort.
class Inverted {
 public:
  explicit Inverted(int64_t nlist) : ends_(nlist + 1) {}

  void invert(const QueryBatch& batch, int64_t first_rank, int64_t last_rank) {
    std::fill(ends_.begin(), ends_.end(), 0);
    each_pair(batch, first_rank, last_rank,
              [&](int32_t at, int32_t) { ++ends_[at + 1]; });
    for (std::size_t j = 1; j < ends_.size(); ++j) ends_[j] += ends_[j - 1];
    queries_.resize(ends_.back());
    // Filling moves each list's start to its end, which is the next list's start.
    each_pair(batch, first_rank, last_rank,
              [&](int32_t at, int32_t query) { queries_[ends_[at]++] = query; });
  }

  // visit(list, queries, count) for each list that a query has, in order.
  template <class Visit>
  void each_list(const Visit& visit) const {
    int64_t low = 0;
    for (std::size_t j = 0; j + 1 < ends_.size(); ++j) {
      const int64_t high = ends_[j];
      if (high > low) visit(static_cast<int32_t>(j), queries_.data() + low, high - low);
      low = high;
    }
  }

 private:
  template <class Visit>
  static void each_pair(const QueryBatch& batch, int64_t first_rank, int64_t last_rank,
                        const Visit& visit) {
    for (int64_t q = 0; q < batch.count(); ++q) {
      const QueryBatch::Span span = batch.span(q);
      const int64_t first = std::max(first_rank, span.first);
      const int64_t last = std::min(last_rank, span.last);
      for (int64_t rank = first; rank < last; ++rank) {
        const int32_t at = batch.list_no(q, rank);
        if (at >= 0) visit(at, static_cast<int32_t>(q));
      }
    }
  }

  std::vector<int64_t> ends_;
  std::vector<int32_t> queries_;
};

// As few batches as memory allows (the more queries share a list, the less it costs),
// and as many as keep all threads busy.
int64_t batch_size(const Engine& engine, const ScanJob& job, int threads) {
  const int64_t share = (job.nq + threads - 1) / threads;
  const int64_t room = kBatchBytes / QueryBatch::bytes_a_query(engine, job);
  const int64_t most = std::max<int64_t>(room, 1);
  const int64_t rounds = (share + most - 1) / most;
  return std::max<int64_t>((share + rounds - 1) / rounds, 1);
}

}  // namespace

Work Engine::scan_list_major(const ScanJob& job, ThreadLease& lease) const {
  const int64_t size = batch_size(*this, job, lease.count());
  Work total;
  std::mutex mutex;
  parallel_for((job.nq + size - 1) / size, lease, [&](int64_t task) {
    const ScanSession session(scan_, packed_.panel(0, 0));
    const int64_t first = task * size;
    QueryBatch batch(*this, job, first, std::min(size, job.nq - first));
    Inverted pairs(nlist());
    const auto scan_from = [&](int64_t rank) {
      pairs.invert(batch, rank, job.nprobe);
      pairs.each_list([&](int32_t at, const int32_t* queries, int64_t count) {
        poll();
        batch.scan(at, queries, count);
      });
    };
    // Each query's best list first: that sets a threshold that few entries of the
    // others reach.
    pairs.invert(batch, 0, std::min<int64_t>(1, job.nprobe));
    pairs.each_list([&](int32_t at, const int32_t* queries, int64_t count) {
      poll();
      batch.seed(at, queries, count);
    });
    scan_from(1);
    if (job.effort) {
      batch.choose_rest();
      scan_from(job.effort->first);
    }
    batch.scan_flat();
    batch.rerank();
    const std::lock_guard<std::mutex> hold(mutex);
    total += batch.work();
  });
  return total;
}

}  // namespace gleann
