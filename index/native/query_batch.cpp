#include "query_batch.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "keys.hpp"

namespace gleann {
namespace {

constexpr int64_t kGroupBytes = 24 << 10;  // gathered queries stay in the L1 cache
constexpr int kGroupStep = 32;             // two AMX tiles of queries

int group_limit(int64_t query_bytes) {
  int limit = kMaxGroup;
  while (limit > kGroupStep && limit * query_bytes > kGroupBytes) limit -= kGroupStep;
  return limit;
}

int64_t bitmap_words(int64_t nlist) { return nlist / 64 + 1; }

}  // namespace

int64_t QueryBatch::bytes_a_query(const Engine& engine, const ScanJob& job) {
  return engine.packed_.query_bytes() + 8 * sink_capacity(job.pool) +
         8 * bitmap_words(engine.nlist()) + 8 * job.nprobe +
         static_cast<int64_t>(sizeof(Sink));
}

QueryBatch::QueryBatch(const Engine& engine, const ScanJob& job, int64_t first,
                       int64_t count)
    : engine_(engine),
      job_(job),
      first_(first),
      count_(count),
      words_(bitmap_words(engine.nlist())),
      group_limit_(group_limit(engine.packed_.query_bytes())),
      codes_(make_buffer<uint8_t>(count * engine.packed_.query_bytes())),
      gathered_(make_buffer<uint8_t>(kMaxGroup * engine.packed_.query_bytes())),
      scales_(count),
      probed_(count * words_),
      keys_(new uint64_t[count * sink_capacity(job.pool)]),
      sinks_(count) {
  group_.queries = gathered_.get();
  group_.stride = engine.packed_.query_bytes();
  for (int64_t q = 0; q < count; ++q) prepare(q);
}

void QueryBatch::prepare(int64_t query) {
  const int32_t capacity = sink_capacity(job_.pool);
  uint64_t* probed = probed_.data() + query * words_;
  sinks_[query] =
      make_sink(keys_.get() + query * capacity, job_.pool, capacity, probed);
  for (int64_t rank = 0; rank < job_.nprobe; ++rank) {
    const int32_t at = list_no(query, rank);
    if (at < 0) continue;
    if (at >= engine_.nlist()) throw std::invalid_argument("a list does not exist");
    if (probed[at >> 6] >> (at & 63) & 1) {
      throw std::invalid_argument("a query probes one list twice");
    }
    probed[at >> 6] |= uint64_t{1} << (at & 63);
  }
  const Kernels& kernels = engine_.kernels_;
  scales_[query] = kernels.quantise(job_.queries + (first_ + query) * engine_.d(),
                                    engine_.d(), kernels.layout,
                                    codes_.get() + query * group_.stride);
}

void QueryBatch::gather(const int32_t* queries, int count) {
  group_.count = count;
  for (int i = 0; i < count; ++i) {
    const int32_t q = queries[i];
    std::memcpy(gathered_.get() + i * group_.stride, codes_.get() + q * group_.stride,
                group_.stride);
    group_.factors[i] = 2.0f * scales_[q].scale;
    group_.starts[i] = scales_[q].start;
    group_.thresholds[i] = sinks_[q].threshold;
    group_.sinks[i] = &sinks_[q];
  }
}

void QueryBatch::scan(int32_t list_no, const int32_t* queries, int64_t count) {
  const Lists& lists = engine_.arrays_.lists;
  const int64_t low = lists.offsets[list_no];
  const int64_t primaries = lists.mids[list_no] - low;
  const int64_t entries =
      job_.primary_only ? primaries : lists.offsets[list_no + 1] - low;
  work_.lists_probed += count;
  work_.entries_scanned += count * entries;
  const Panel panel = engine_.packed_.panel(list_no, entries);
  const Entries which{lists.rows + low, lists.others + low, primaries,
                      job_.primary_only, job_.allowed};
  const bool l2 = engine_.arrays_.distance == Distance::kSquaredL2;
  const auto kernel = l2 ? engine_.kernels_.scan_l2 : engine_.kernels_.scan_dot;
  for (int64_t at = 0; at < count; at += group_limit_) {
    gather(queries + at,
           static_cast<int>(std::min<int64_t>(group_limit_, count - at)));
    kernel(panel, group_, which);
  }
}

void QueryBatch::merge(QueryBatch& other) {
  for (int64_t q = 0; q < count_; ++q) {
    Sink& mine = sinks_[q];
    Sink& theirs = other.sinks_[q];
    compact(mine);
    compact(theirs);
    std::vector<uint64_t> keys(mine.keys, mine.keys + mine.count);
    keys.insert(keys.end(), theirs.keys, theirs.keys + theirs.count);
    const auto kept = std::min<std::size_t>(keys.size(), mine.pool);
    std::nth_element(keys.begin(), keys.begin() + kept, keys.end());
    std::copy_n(keys.begin(), kept, mine.keys);
    mine.count = static_cast<int32_t>(kept);
    mine.survivors += theirs.survivors;
  }
  work_ += other.work_;
}

void QueryBatch::rerank() {
  std::vector<int32_t> rows(job_.pool);
  std::vector<float> distances(job_.pool);
  std::vector<uint64_t> keys(job_.pool);
  for (int64_t q = 0; q < count_; ++q) {
    Sink& sink = sinks_[q];
    compact(sink);
    for (int32_t i = 0; i < sink.count; ++i) rows[i] = key_row(sink.keys[i]);
    engine_.kernels_.distances(job_.queries + (first_ + q) * engine_.d(),
                               engine_.arrays_.vectors, rows.data(), sink.count,
                               engine_.d(), engine_.arrays_.distance,
                               distances.data());
    // A key descends by its score, so the score is the negated distance.
    for (int32_t i = 0; i < sink.count; ++i) keys[i] = make_key(-distances[i], rows[i]);
    write_nearest(q, sink.count, keys);
    work_.survivors += sink.survivors;
    work_.reranked += sink.count;
  }
}

void QueryBatch::write_nearest(int64_t query, int64_t found,
                               std::vector<uint64_t>& keys) {
  const int64_t best = std::min<int64_t>(found, job_.k);
  std::partial_sort(keys.begin(), keys.begin() + best, keys.begin() + found);
  int64_t* rows = job_.rows + (first_ + query) * job_.k;
  float* distances = job_.distances + (first_ + query) * job_.k;
  for (int64_t i = 0; i < best; ++i) {
    rows[i] = key_row(keys[i]);
    distances[i] = 0.0f - key_score(keys[i]);
  }
  std::fill(rows + best, rows + job_.k, int64_t{-1});
  std::fill(distances + best, distances + job_.k,
            std::numeric_limits<float>::infinity());
}

}  // namespace gleann
