// Few queries: each scans its own lists, the best one first.
#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "base/threads.hpp"
#include "scan/engine.hpp"
#include "scan/query_batch.hpp"
#include "scan/scan_session.hpp"

namespace gleann {
namespace {

// `worth`: the threads that shorten the scan of one query.
int64_t parts_a_query(const ScanJob& job, int64_t worth, int64_t threads) {
  // Under an effort the lists of a query depend on those before.
  if (job.nq == 0 || job.nq >= threads || job.effort) return 1;
  return std::max<int64_t>(std::min({threads / job.nq, worth, job.nprobe}), 1);
}

// Every `parts`-th list of the span of a batch of one query.
void scan_span(QueryBatch& batch, int64_t part, int64_t parts) {
  constexpr int32_t kOnlyQuery = 0;
  const QueryBatch::Span span = batch.span(kOnlyQuery);
  const auto later = [&](int64_t rank) {
    return rank < span.last ? batch.list_no(kOnlyQuery, rank) : -1;
  };
  for (int64_t rank = span.first + part; rank < span.last; rank += parts) {
    const int32_t at = batch.list_no(kOnlyQuery, rank);
    if (at < 0) continue;
    batch.expect(later(rank + parts), later(rank + 2 * parts));
    poll();
    if (rank == part) {
      batch.seed(at, &kOnlyQuery, 1);
    } else {
      batch.scan(at, &kOnlyQuery, 1);
    }
  }
  batch.finish_alone();
}

void scan_part(QueryBatch& batch, bool by_effort, int64_t part, int64_t parts) {
  scan_span(batch, part, parts);
  if (by_effort) {
    batch.choose_rest();
    scan_span(batch, part, parts);
  }
  if (part == 0) batch.scan_flat();
}

}  // namespace

Work Engine::scan_query_major(const ScanJob& job, ThreadLease& lease) const {
  const int64_t worth = threads_worth(job, 1, lease.count());
  const int64_t parts = parts_a_query(job, worth, lease.count());
  std::vector<std::unique_ptr<QueryBatch>> batches(parts > 1 ? job.nq * parts : 0);
  Work total;
  std::mutex mutex;
  const auto finish = [&](QueryBatch& batch) {
    batch.rerank();
    const std::lock_guard<std::mutex> hold(mutex);
    total += batch.work();
  };
  // A part takes every parts-th list; the entries of all parts are merged.
  parallel_for(job.nq * parts, lease, [&](int64_t task) {
    const ScanSession session(scan_, packed_.panel(0, 0));
    auto batch = std::make_unique<QueryBatch>(*this, job, task / parts, 1);
    scan_part(*batch, job.effort != nullptr, task % parts, parts);
    if (parts == 1) return finish(*batch);
    batches[task] = std::move(batch);
  });
  for (std::size_t q = 0; q < batches.size(); q += parts) {
    for (int64_t p = 1; p < parts; ++p) batches[q]->merge(*batches[q + p]);
    finish(*batches[q]);
  }
  return total;
}

}  // namespace gleann
