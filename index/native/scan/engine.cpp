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

// Whether each query scans its own lists, as fast as memory is. A batch reads a list
// that several of its queries probe only once, but knows no next list to fetch; that
// pays from half a query for each list on (index/DECISIONS.md has the measurement).
bool is_few(const ScanJob& job, int64_t queries, int64_t nlist, int64_t threads) {
  if (job.newer) return queries < 4 * threads;  // in no list, or in many short ones
  // Under an effort few queries scan nprobe lists, and a batch reads codes once more.
  if (job.effort) return queries * job.nprobe < 2 * nlist * threads;
  return queries < 2 * threads || 2 * queries * job.nprobe < nlist * threads;
}

Packing packing_of(const IndexArrays& arrays) {
  const bool shared = arrays.entry_codes == EntryCodes::kShared && arrays.codes.values;
  return shared ? Packing::kWithoutCodes : Packing::kAligned;
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
      packed_(arrays.lists, arrays.codes, scan_.layout, packing_of(arrays),
              resolve_threads(threads)),
      spots_(spots_of(arrays_.lists, packed_)),
      directions_(arrays.directions, scan_.layout) {
  if (arrays.axes.axes) {
    projector_ = std::make_unique<const Projector>(kernels_, arrays.axes.axes,
                                                   arrays.axes.center, d(), vector_d());
  }
  if (packing_of(arrays) == Packing::kAligned) return;
  shared_ =
      std::make_unique<SharedCodes>(arrays.lists, arrays.codes, scan_.layout,
                                    packed_.code_bytes(), resolve_threads(threads));
}

Memory Engine::memory() const {
  return Memory{shared_ ? shared_->nbytes() : packed_.codes_nbytes(),
                packed_.scales_nbytes(), packed_.biases_nbytes(),
                directions_.codes_nbytes() + directions_.scales_nbytes() +
                    directions_.biases_nbytes() +
                    (projector_ ? projector_->nbytes() : 0),
                row_lists_nbytes_};
}

const RowLists& Engine::row_lists() const {
  std::call_once(rows_placed_, [this] {
    row_lists_ = std::make_unique<const RowLists>(arrays_.lists, n());
    row_lists_nbytes_ = row_lists_->nbytes();
  });
  return *row_lists_;
}

Work Engine::scan(const ScanJob& job) const {
  const int threads = resolve_threads(job.threads);
  // Newer rows are not counted here.
  ThreadLease lease(job.newer ? threads : threads_worth(job, job.nq, threads));
  const bool few = is_few(job, job.nq, nlist(), threads);
  return few ? scan_query_major(job, lease) : scan_list_major(job, lease);
}

CodedQueries Engine::coded_queries(const float* queries, int64_t count) const {
  const int64_t stride = packed_.query_bytes();
  if (!projector_) {
    return CodedQueries(scan_, stride, center(), d(), queries, count);
  }
  const Buffer<float> points = make_buffer<float>(count * d());
  projector_->project(queries, count, points.get());
  return CodedQueries(scan_, stride, nullptr, d(), points.get(), count);
}

// The threads that shorten the scan of some queries of the job, at most `threads`.
int Engine::threads_worth(const ScanJob& job, int64_t queries, int threads) const {
  // Below this many codes to read, starting a thread costs more than it saves. Those of
  // queries that are scanned together mostly come from the caches.
  constexpr double kAlone = 512 << 10, kTogether = 2 << 20;
  const double least = is_few(job, queries, nlist(), threads) ? kAlone : kTogether;
  const auto entries = static_cast<double>(arrays_.lists.offsets[nlist()]);
  const double share = static_cast<double>(job.nprobe) / static_cast<double>(nlist());
  const double codes = entries * share * static_cast<double>(d() * queries);
  return static_cast<int>(std::clamp(codes / least, 1.0, static_cast<double>(threads)));
}

}  // namespace gleann
