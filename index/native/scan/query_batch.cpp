#include "scan/query_batch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/keys.hpp"
#include "base/require.hpp"

namespace gleann {
namespace {

constexpr int64_t kGroupBytes = 24 << 10;  // gathered queries stay in the L1 cache
constexpr int kGroupStep = 32;             // two AMX tiles of queries

constexpr int64_t kSeeded = 6;        // queries whose first lists are scored together
constexpr int64_t kSortedWhole = 32;  // keys that are sorted sooner than their best

constexpr double kMostSquared = 0x1p124;  // index/checks.py, MOST_SQUARED

// Whether all numbers are within `bound` of 0, which neither NaN nor infinity is. The
// bits of non-negative floats ascend with them.
bool all_within(const float* numbers, int64_t count, float bound) {
  int32_t most;
  std::memcpy(&most, &bound, sizeof most);
  int32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, numbers + i, sizeof bits);
    bad |= (bits & 0x7fffffff) > most;
  }
  return bad == 0;
}

// Whether the squared length of each query (d) is at most kMostSquared. The lengths are
// summed only where a number is so large that they could not be.
bool all_measurable(const float* queries, int64_t count, int64_t d) {
  const auto bound =
      static_cast<float>(std::sqrt(kMostSquared / static_cast<double>(d)) * 0.999);
  if (all_within(queries, count * d, bound)) return true;
  for (int64_t q = 0; q < count; ++q) {
    double square = 0;
    for (int64_t i = 0; i < d; ++i) {
      const double x = queries[q * d + i];
      square += x * x;
    }
    if (!(square <= kMostSquared)) return false;
  }
  return true;
}

int64_t group_limit(int64_t query_bytes) {
  int64_t limit = kMaxGroup;
  while (limit > kGroupStep && limit * query_bytes > kGroupBytes) limit -= kGroupStep;
  return limit;
}

int64_t bitmap_words(int64_t nlist) { return nlist / 64 + 1; }

}  // namespace

int64_t QueryBatch::bytes_a_query(const Engine& engine, const ScanJob& job) {
  return engine.packed_.query_bytes() + 8 * sink_capacity(job.rerank) +
         8 * bitmap_words(engine.nlist()) + 12 * job.nprobe +
         4 * (engine.d() + engine.query_d()) + static_cast<int64_t>(sizeof(Sink)) +
         (job.effort ? 8 * (job.nprobe + bitmap_words(engine.nlist())) : 0);
}

QueryBatch::QueryBatch(const Engine& engine, const ScanJob& job, int64_t first,
                       int64_t count)
    : engine_(engine),
      job_(job),
      first_(first),
      count_(count),
      words_(bitmap_words(engine.nlist())),
      group_limit_(group_limit(engine.packed_.query_bytes())),
      queries_(prepare()),
      coded_(engine.coded_queries(queries_, count)),
      list_nos_(pick_lists()),
      gathered_(make_buffer<uint8_t>(gather_room() * engine.packed_.query_bytes())),
      probed_(count * words_),
      keys_(new uint64_t[count * sink_capacity(job.rerank)]),
      sinks_(count),
      hits_(new Hit[kMostHits]),
      group_{} {
  group_.hits = hits_.get();
  group_.queries = gathered_.get();
  group_.stride = engine.packed_.query_bytes();
  if (const RowFile* file = engine.arrays_.vectors.file) {
    file_rows_ = std::make_unique<FileRows>(*file);
  }
  const int32_t capacity = sink_capacity(job_.rerank);
  for (int64_t q = 0; q < count; ++q) {
    sinks_[q] = make_sink(keys_.get() + q * capacity, job_.rerank, capacity,
                          probed_.data() + q * words_);
    if (job_.effort) sinks_[q].earlier = earlier_.data() + q * words_;
    mark_probed(q);
  }
}

// Kernels on tiles read whole tiles of queries.
int64_t QueryBatch::gather_room() const {
  const int64_t most = std::min(std::max(group_limit_, kSeeded), count_);
  return (most + kGroupStep - 1) / kGroupStep * kGroupStep;
}

const float* QueryBatch::prepare() {
  const int64_t d = engine_.query_d();
  const float* given = job_.queries + first_ * d;
  if (job_.list_nos) return given;
  if (!job_.to_unit) {
    require(all_measurable(given, count_, d),
            "a query's squared length leaves float32");
    return given;
  }
  scaled_ = make_buffer<float>(count_ * d);
  for (int64_t q = 0; q < count_; ++q) {
    require(engine_.kernels_.to_unit(given + q * d, d, scaled_.get() + q * d),
            "a query has no direction");
  }
  return scaled_.get();
}

const int32_t* QueryBatch::pick_lists() {
  if (job_.list_nos) return job_.list_nos + first_ * job_.nprobe;
  picked_.assign(count_ * job_.nprobe, -1);
  ListPicker picker = (job_.ranker ? job_.ranker : &engine_)->picker(job_.nprobe);
  if (job_.choice) {
    choose_lists(picker);
    return picked_.data();
  }
  if (job_.effort) {
    pick_candidates(picker);
    return picked_.data();
  }
  picker.pick(coded_, [&](int64_t query, const std::vector<uint64_t>& keys) {
    int32_t* out = picked_.data() + query * job_.nprobe;
    std::transform(keys.begin(), keys.end(), out, key_row);
    const auto best = std::min_element(keys.begin(), keys.end()) - keys.begin();
    std::swap(out[0], out[best]);
  });
  return picked_.data();
}

void QueryBatch::choose_lists(ListPicker& picker) {
  settled_.resize(count_);
  std::vector<int32_t> chosen;
  picker.pick(coded_, [&](int64_t query, std::vector<uint64_t>& keys) {
    settled_[query] = gleann::choose_lists(*job_.choice, keys, chosen);
    std::copy(chosen.begin(), chosen.end(), picked_.data() + query * job_.nprobe);
  });
}

void QueryBatch::mark_probed(int64_t query) {
  uint64_t* probed = probed_.data() + query * words_;
  if (job_.newer_only) {
    for (int64_t j = 0; j < engine_.nlist(); ++j) {
      probed[j >> 6] |= uint64_t{1} << (j & 63);
    }
    return;
  }
  const Span ranks = span(query);
  for (int64_t rank = ranks.first; rank < ranks.last; ++rank) {
    const int32_t at = list_no(query, rank);
    if (at < 0) continue;
    require(at < engine_.nlist(), "a list does not exist");
    require(!(probed[at >> 6] >> (at & 63) & 1), "a query probes one list twice");
    probed[at >> 6] |= uint64_t{1} << (at & 63);
  }
}

void QueryBatch::gather(const int32_t* queries, int64_t count) {
  group_.count = static_cast<int>(count);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t q = queries[i];
    std::memcpy(gathered_.get() + i * group_.stride, coded_.codes(q), group_.stride);
    group_.factors[i] = 2.0f * coded_.scale(q).scale;
    group_.starts[i] = coded_.scale(q).start;
    group_.thresholds[i] = sinks_[q].threshold;
    group_.sinks[i] = &sinks_[q];
  }
}

const NewerParts& QueryBatch::parts() const {
  static const NewerParts none;
  return job_.newer ? job_.newer->parts : none;
}

void QueryBatch::add(const NewerPart::Spot& spot, const Lists& lists, int64_t queries,
                     const uint8_t* allowed, const uint8_t* alive, int64_t first) {
  const int64_t entries = job_.primary_only ? spot.primaries : spot.entries;
  if (entries == 0) return;
  work_.entries_scanned += queries * entries;
  Panel panel = spot.panel;
  panel.blocks = (spot.skip + entries + kBlock - 1) / kBlock;
  panels_.push_back(Scanned{
      panel,
      Entries{lists.rows + spot.first, lists.others + spot.first, spot.primaries,
              job_.primary_only, allowed, alive, static_cast<int32_t>(first), spot.skip,
              entries, 0},
  });
}

void QueryBatch::add(const NewerPart& part, int32_t list_no, int64_t queries) {
  const uint8_t* allowed = job_.newer->allowed;
  add(part.spots[list_no], part.lists, queries,
      allowed ? allowed + part.first : nullptr, nullptr, engine_.n() + part.first);
}

void QueryBatch::add_whole(const NewerPart& part) {
  const uint8_t* allowed = job_.newer->allowed;
  const auto slots = static_cast<int64_t>(part.slot_rows.size());
  work_.entries_scanned += count_ * slots;
  panels_.push_back(Scanned{
      part.packed.whole(),
      Entries{part.slot_rows.data(), part.slot_others.data(), 0, false,
              allowed ? allowed + part.first : nullptr, nullptr,
              static_cast<int32_t>(engine_.n() + part.first), 0, slots, 0},
  });
}

void QueryBatch::collect(int32_t list_no, int64_t queries) {
  panels_.clear();
  work_.lists_probed += queries;
  const Lists& lists = engine_.arrays_.lists;
  const uint8_t* alive = job_.newer ? job_.newer->sealed_alive : nullptr;
  NewerPart::Spot spot = engine_.spots_[list_no];
  if (engine_.shared_) spot.panel.codes = take_shared(list_no, queries);
  add(spot, lists, queries, job_.allowed, alive, 0);
  for (const NewerPart* part : parts()) {
    if (!part->flat) add(*part, list_no, queries);
  }
}

void QueryBatch::seed(int32_t list_no, const int32_t* queries, int64_t count) {
  collect(list_no, count);
  if (panels_.empty()) return;
  seed_from(panels_.front(), queries, count);
  scan_panels(panels_.begin() + 1, queries, count);
}

void QueryBatch::seed_from(const Scanned& scanned, const int32_t* queries,
                           int64_t count) {
  const ScanKernels& kernels = engine_.scan_;
  const int64_t slots = scanned.panel.blocks * kBlock;
  make_room(slots * std::min(kSeeded, count));
  Entries entries = scanned.entries;
  find_dead(entries);
  entries.sure =
      2 * static_cast<int64_t>(dead_.size()) <= entries.primaries && entries.skip == 0
          ? entries.primaries
          : 0;
  for (int64_t at = 0; at < count; at += kSeeded) {
    gather(queries + at, std::min<int64_t>(kSeeded, count - at));
    score(scanned.panel);
    for (int i = 0; i < group_.count; ++i) {
      float* scores = scores_.get() + i * slots;
      if (entries.sure) lower_dead(scores, entries.primaries);
      kernels.seed(scores, scanned.panel.blocks, group_, i, entries);
    }
  }
}

// The primary entries whose rows are not allowed, or dead.
void QueryBatch::find_dead(const Entries& entries) {
  dead_.clear();
  const uint8_t *allowed = entries.allowed, *alive = entries.alive;
  if (!allowed && !alive) return;
  for (int64_t e = 0; e < entries.primaries; ++e) {
    const int32_t row = entries.rows[e];
    const bool lives = !alive || (alive[row >> 3] >> (row & 7) & 1);
    if (!lives || (allowed && !allowed[row])) dead_.push_back(static_cast<int32_t>(e));
  }
}

// Give the dead entries the least score of all: so they raise no threshold.
void QueryBatch::lower_dead(float* scores, int64_t primaries) const {
  if (dead_.empty()) return;
  const float least = *std::min_element(scores, scores + primaries);
  for (const int32_t e : dead_) scores[e] = least;
}

void QueryBatch::scan(int32_t list_no, const int32_t* queries, int64_t count) {
  collect(list_no, count);
  scan_panels(panels_.begin(), queries, count);
}

void QueryBatch::scan_panels(Panels::const_iterator from, const int32_t* queries,
                             int64_t count) {
  if (from == panels_.end()) return;
  for (int64_t at = 0; at < count; at += group_limit_) {
    gather(queries + at, std::min(group_limit_, count - at));
    for (auto scanned = from; scanned != panels_.end(); ++scanned) {
      if (scanned->panel.codes) {
        engine_.scan_.scan(scanned->panel, group_, scanned->entries);
      } else {
        scan_rows(*scanned);
      }
    }
  }
}

void QueryBatch::scan_flat() {
  panels_.clear();
  for (const NewerPart* part : parts()) {
    if (part->flat) {
      add(*part, 0, count_);
    } else if (job_.newer_only) {
      add_whole(*part);
    }
  }
  if (panels_.empty()) return;
  std::vector<int32_t> all(count_);
  std::iota(all.begin(), all.end(), 0);
  scan_panels(panels_.begin(), all.data(), count_);
}

void QueryBatch::merge(QueryBatch& other) {
  for (int64_t q = 0; q < count_; ++q) {
    Sink& mine = sinks_[q];
    Sink& theirs = other.sinks_[q];
    compact(mine);
    compact(theirs);
    std::vector<uint64_t> keys(mine.keys, mine.keys + mine.count);
    keys.insert(keys.end(), theirs.keys, theirs.keys + theirs.count);
    const auto kept = std::min<std::size_t>(keys.size(), mine.rerank);
    std::nth_element(keys.begin(), keys.begin() + kept, keys.end());
    std::copy_n(keys.begin(), kept, mine.keys);
    mine.count = static_cast<int32_t>(kept);
    mine.survivors += theirs.survivors;
  }
  work_ += other.work_;
}

void QueryBatch::rerank() {
  rows_.resize(job_.rerank);
  std::vector<float> distances(job_.rerank);
  std::vector<uint64_t> keys(job_.rerank);
  int64_t fetched = 0;
  for (int64_t q = 0; q < count_; ++q) {
    if (q == fetched) fetched = fetch(q);
    Sink& sink = sinks_[q];
    compact(sink);
    measure(q, sink, distances.data());
    // A key descends by its score, so the score is the negated distance.
    for (int32_t i = 0; i < sink.count; ++i) {
      keys[i] = make_key(-distances[i], key_row(sink.keys[i]));
    }
    write_nearest(q, sink.count, keys);
    work_.survivors += sink.survivors;
    work_.reranked += sink.count;
    work_.short_queries += sink.count < job_.k;
  }
  if (job_.choice) std::copy(settled_.begin(), settled_.end(), job_.settled + first_);
}

// The distances of a query to the rows of its sink, whose keys change their order: rows
// of the index first, since newer ones have their vectors elsewhere.
void QueryBatch::measure(int64_t query, const Sink& sink, float* distances) {
  const int64_t n = engine_.n(), d = engine_.query_d();
  uint64_t* end = sink.keys + sink.count;
  const auto newer =
      job_.newer ? std::partition(sink.keys, end,
                                  [n](uint64_t key) { return key_row(key) < n; })
                 : end;
  const auto old = newer - sink.keys;
  for (int32_t i = 0; i < sink.count; ++i) {
    rows_[i] = static_cast<int32_t>(key_row(sink.keys[i]) - (i < old ? 0 : n));
  }
  measure_kept(query, old, distances);
  if (old == sink.count) return;
  engine_.kernels_.distances(queries_ + query * d, job_.newer->vectors,
                             rows_.data() + old, sink.count - old, d,
                             engine_.arrays_.distance, distances + old);
}

void QueryBatch::write_nearest(int64_t query, int64_t found,
                               std::vector<uint64_t>& keys) {
  const int64_t best = std::min<int64_t>(found, job_.k);
  if (found <= kSortedWhole) {
    std::sort(keys.begin(), keys.begin() + found);
  } else {
    std::partial_sort(keys.begin(), keys.begin() + best, keys.begin() + found);
  }
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
