#include "scan/engine.hpp"

#include <algorithm>

#include "base/require.hpp"
#include "kernels/dispatch.hpp"

namespace gleann {
namespace {

const IndexArrays& checked(const IndexArrays& arrays) {
  require(arrays.lists.offsets[0] == 0, "list offsets do not start at 0");
  const Lists& lists = arrays.lists;
  for (int64_t j = 0; j < lists.nlist; ++j) {
    check_list(lists, j, arrays.codes.n, lists.nlist);
  }
  const RowCodes &codes = arrays.codes, &directions = arrays.directions;
  require(!codes.values == !directions.values && !codes.biases == !directions.biases,
          "codes and directions are not of one kind");
  return arrays;
}

const ScanKernels& scan_of(const Kernels& kernels, const RowCodes& codes) {
  if (codes.rows) return codes.biases ? kernels.products : kernels.differences;
  return codes.biases ? kernels.biased_dots : kernels.dots;
}

// Even a few queries share enough lists for their codes to be read once.
bool is_few(int64_t queries, int threads) {
  constexpr int64_t kQueriesAThread = 4;
  return queries < kQueriesAThread * threads;
}

std::vector<float> center_of(const RowCodes& codes) {
  if (!codes.center) return {};
  return std::vector<float>(codes.center, codes.center + codes.d);
}

}  // namespace

Work& Work::operator+=(const Work& more) {
  lists_probed += more.lists_probed;
  entries_scanned += more.entries_scanned;
  survivors += more.survivors;
  reranked += more.reranked;
  short_queries += more.short_queries;
  return *this;
}

Engine::Engine(const IndexArrays& arrays, const std::string& tier, int threads)
    : arrays_(checked(arrays)),
      kernels_(choose_kernels(tier)),
      scan_(scan_of(kernels_, arrays.codes)),
      center_(center_of(arrays.codes)),
      packed_(arrays.lists, arrays.codes, scan_.layout, Packing::kAligned,
              resolve_threads(threads)),
      directions_(arrays.directions, scan_.layout) {}

const RowLists& Engine::row_lists() const {
  std::call_once(rows_placed_, [this] {
    row_lists_ = std::make_unique<const RowLists>(arrays_.lists, n());
  });
  return *row_lists_;
}

Work Engine::scan(const ScanJob& job) const {
  const int threads = resolve_threads(job.threads);
  // Newer rows are not counted here.
  ThreadLease lease(job.newer ? threads : threads_worth(job, job.nq, threads));
  const bool few = is_few(job.nq, threads);
  return few ? scan_query_major(job, lease) : scan_list_major(job, lease);
}

// The threads that shorten the scan of some queries of the job, at most `threads`.
int Engine::threads_worth(const ScanJob& job, int64_t queries, int threads) const {
  // Below this many codes to read, starting a thread costs more than it saves. Those of
  // queries that are scanned together mostly come from the caches.
  constexpr double kAlone = 512 << 10, kTogether = 2 << 20;
  const double least = is_few(queries, threads) ? kAlone : kTogether;
  const auto entries = static_cast<double>(arrays_.lists.offsets[nlist()]);
  const double probed =
      job.effort ? job.effort->usual : static_cast<double>(job.nprobe);
  const double share = probed / static_cast<double>(nlist());
  const double codes = entries * share * static_cast<double>(d() * queries);
  return static_cast<int>(std::clamp(codes / least, 1.0, static_cast<double>(threads)));
}

}  // namespace gleann
