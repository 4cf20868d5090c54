// The state of some queries during the scan: codes, probed lists, best entries so far.
// Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/memory.hpp"
#include "kernels/sink.hpp"
#include "scan/coded_queries.hpp"
#include "scan/engine.hpp"
#include "scan/kept_rows.hpp"

namespace gleann {

class QueryBatch {
 public:
  // Queries first .. first + count - 1 of the job.
  QueryBatch(const Engine& engine, const ScanJob& job, int64_t first, int64_t count);

  // Bytes that each query takes.
  static int64_t bytes_a_query(const Engine& engine, const ScanJob& job);

  int64_t count() const { return count_; }
  // The query's list at a rank, -1 for none; `query` counts from the batch's first. The
  // best list has rank 0; the others are in no order if the engine ranked them.
  int32_t list_no(int64_t query, int64_t rank) const {
    return list_nos_[query * job_.nprobe + rank];
  }

  // The ranks of a query's lists that are to be scanned now.
  struct Span {
    int64_t first, last;
  };
  Span span(int64_t query) const {
    return job_.effort ? spans_[query] : Span{0, job_.nprobe};
  }
  // Under an effort: once the first lists are scanned, choose the others of each query.
  void choose_rest();

  // Scan the first list of some queries of the batch: sets their thresholds.
  void seed(int32_t list_no, const int32_t* queries, int64_t count);
  // Scan one more list for some queries of the batch.
  void scan(int32_t list_no, const int32_t* queries, int64_t count);
  // Scan the newer rows that are in no list, or all of them where the job asks only for
  // those, for all queries of the batch.
  void scan_flat();
  // For a batch of one query, before each list: the two lists that it scans after that,
  // -1 for none, so that they are fetched meanwhile.
  void expect(int32_t next, int32_t after_next);
  // Admit what still waits for that.
  void finish_alone();

  // Merge the entries that another batch of the same queries found in other lists.
  void merge(QueryBatch& other);

  // Re-rank the best entries in float32 and write the k nearest of each query.
  void rerank();

  const Work& work() const { return work_; }

 private:
  struct Scanned {
    Panel panel;
    Entries entries;
  };

  using Panels = std::vector<Scanned>;

  int64_t gather_room() const;
  const float* prepare();
  const int32_t* pick_lists();
  void choose_lists(ListPicker& picker);
  void pick_candidates(ListPicker& picker);
  int64_t depth(int64_t query);
  void mark_probed(int64_t query);
  const NewerParts& parts() const;
  void collect(int32_t list_no, int64_t queries);
  int64_t entries_of(int32_t list_no) const;
  const uint8_t* take_shared(int32_t list_no, int64_t queries);
  void expect_shared(int32_t next);
  void add(const NewerPart::Spot& spot, const Lists& lists, int64_t queries,
           const uint8_t* allowed, const uint8_t* alive, int64_t first);
  void add(const NewerPart& part, int32_t list_no, int64_t queries);
  void add_whole(const NewerPart& part);
  void prefetch_rows() const;
  void seed_from(const Scanned& scanned, const int32_t* queries, int64_t count);
  RowPointers row_pointers() const;
  void score(const Panel& panel);
  void scan_rows(const Scanned& scanned);
  void make_room(int64_t scores);
  void find_dead(const Entries& entries);
  void lower_dead(float* scores, int64_t primaries) const;
  void scan_panels(Panels::const_iterator from, const int32_t* queries, int64_t count);
  void gather(const int32_t* queries, int64_t count);
  int64_t fetch(int64_t first);
  void measure(int64_t query, const Sink& sink, float* distances);
  void measure_kept(int64_t query, int64_t count, float* distances);
  void write_nearest(int64_t query, int64_t found, std::vector<uint64_t>& keys);

  const Engine& engine_;
  const ScanJob& job_;
  const int64_t first_;
  const int64_t count_;
  const int64_t words_;  // of one query's bitmap
  const int64_t group_limit_;
  Buffer<float> scaled_;
  const float* queries_;  // (count, query_d)
  CodedQueries coded_;
  std::vector<int32_t> picked_;
  std::vector<char> settled_;  // of the job's choice
  // Of the job's effort:
  std::vector<Span> spans_;
  std::vector<uint64_t> candidates_;  // (count, nprobe) keys of lists
  std::vector<uint64_t> earlier_;     // bitmaps like probed_
  std::vector<uint8_t> depths_;       // (nlist)
  const int32_t* list_nos_;
  Buffer<uint8_t> gathered_;
  Buffer<float> scores_;
  int64_t score_room_ = 0;
  // Where codes are shared: the blocks of one list, or where its codes are, and those
  // of the list after it.
  Buffer<uint8_t> blocks_;
  int64_t block_room_ = 0;
  std::vector<const uint8_t*> pointers_, next_pointers_;
  int32_t pointed_ = -1, next_pointed_ = -1;  // lists
  std::vector<uint64_t> probed_;
  std::unique_ptr<uint64_t[]> keys_;
  std::vector<Sink> sinks_;
  std::unique_ptr<Hit[]> hits_;
  Group group_;
  Alone alone_{};
  Panels panels_;              // of one list: of the index, then of the newer rows
  std::vector<int32_t> dead_;  // entries of the first list
  std::vector<int32_t> rows_;  // to re-rank
  std::unique_ptr<FileRows> file_rows_;  // null: they are in memory
  Buffer<float> widened_;
  Work work_;
};

}  // namespace gleann
