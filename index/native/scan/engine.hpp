// The native engine: ranks lists and scans them. Refers to the caller's arrays; copies
// only codes and directions, to pack them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/threads.hpp"
#include "kernels/kernels.hpp"
#include "kernels/pack.hpp"
#include "kernels/shared_codes.hpp"
#include "scan/coded_queries.hpp"
#include "scan/effort.hpp"
#include "scan/kept_rows.hpp"
#include "scan/list_choice.hpp"
#include "scan/list_picker.hpp"
#include "scan/newer.hpp"
#include "scan/projector.hpp"

namespace gleann {

class Engine;

// Whether each entry has its row's code in its list, which is faster, or the two
// entries of a row share one. Only int8 codes are shared.
enum class EntryCodes { kCopied, kShared };

// What projects queries that are given as the rows are to the dimensions of the codes.
struct QueryAxes {
  const float* axes;    // (d, vector_d); null: queries have the dimensions of the codes
  const float* center;  // (vector_d), subtracted first; or null
};

struct IndexArrays {
  Distance distance;
  Lists lists;
  RowCodes codes;
  KeptRows vectors;
  int64_t vector_d;  // of `vectors`; d, except where the codes are projected
  QueryAxes axes;
  RowCodes directions;  // (nlist), of the same kind as `codes`; they rank the lists
  EntryCodes entry_codes;
};

struct ScanJob {
  const float* queries;  // (nq, query_d)
  const float* exact;    // (nq, vector_d), measured in place of `queries`; null: those
  int64_t nq;
  bool to_unit;             // scale the queries to unit length first
  const int32_t* list_nos;  // (nq, nprobe), -1 for none; null: the best lists
  int64_t nprobe;
  int32_t k;
  int32_t rerank;          // rows to re-rank, at least k
  const uint8_t* allowed;  // (n), or null
  bool primary_only;
  const Engine* ranker;      // of the same codes: ranks the lists; null: the scanner
  const ListChoice* choice;  // which of the best lists; null: all nprobe
  const Effort* effort;      // how many of them; null: all nprobe
  const NewerRows* newer;    // to be searched too, or null
  bool newer_only;           // all of these and nothing else; then nprobe is 0
  int threads;
  int64_t* rows;     // (nq, k), out
  float* distances;  // (nq, k), out
  bool* settled;  // (nq), out: whether `choice` gave lists; else the query has no rows
};

struct Work {
  int64_t lists_probed = 0;
  int64_t entries_scanned = 0;
  int64_t survivors = 0;
  int64_t reranked = 0;
  int64_t short_queries = 0;  // queries with fewer than k rows

  Work& operator+=(const Work& more);
};

// Bytes that an engine holds besides the arrays it was given.
struct Memory {
  int64_t codes;       // of entries
  int64_t scales;      // of entries
  int64_t biases;      // of entries
  int64_t directions;  // of lists, with their scales and biases
  int64_t row_lists;   // that hold each row, once a search asked for them
};

class Engine {
 public:
  // Throws std::invalid_argument if the arrays are inconsistent or the CPU cannot run
  // the tier.
  Engine(const IndexArrays& arrays, const std::string& tier, int threads);

  const char* tier() const { return kernels_.name; }
  int64_t d() const { return arrays_.codes.d; }
  int64_t n() const { return arrays_.codes.n; }
  int64_t vector_d() const { return arrays_.vector_d; }
  // Of the queries that are given.
  int64_t query_d() const { return projector_ ? vector_d() : d(); }
  int64_t nlist() const { return arrays_.lists.nlist; }
  const ScanKernels& kernels() const { return scan_; }
  Memory memory() const;
  // Made when first called.
  const RowLists& row_lists() const;
  // Whether codes of other rows can be scanned with those of the index.
  bool has_kind_of(const RowCodes& codes) const {
    return !codes.values == !arrays_.codes.values &&
           !codes.biases == !arrays_.codes.biases;
  }

  // The nprobe best lists of each query, best first, ties to the lower number; -1 past
  // the last list.
  void rank_lists(const float* queries, int64_t nq, int64_t nprobe, int threads,
                  int32_t* list_nos) const;

  // Throws std::invalid_argument for a list that does not exist or is given twice, and
  // for a query of length zero that is to be scaled.
  Work scan(const ScanJob& job) const;

 private:
  friend class QueryBatch;

  const float* center() const { return center_.empty() ? nullptr : center_.data(); }
  Panel directions() const { return directions_.panel(0, nlist()); }
  CodedQueries coded_queries(const float* queries, int64_t count) const;
  ListPicker picker(int64_t nprobe) const {
    return ListPicker(kernels_, scan_, directions(), nlist(), nprobe);
  }

  int threads_worth(const ScanJob& job, int64_t queries, int threads) const;
  Work scan_list_major(const ScanJob& job, ThreadLease& lease) const;
  Work scan_query_major(const ScanJob& job, ThreadLease& lease) const;

  IndexArrays arrays_;
  const Kernels& kernels_;
  const ScanKernels& scan_;
  std::vector<float> center_;  // empty if the codes have none
  PackedLists packed_;
  std::vector<NewerPart::Spot> spots_;          // by list
  PackedLists directions_;                      // all in one list
  std::unique_ptr<const Projector> projector_;  // null: queries are not projected
  std::unique_ptr<SharedCodes> shared_;         // null: packed_ has codes
  mutable std::once_flag rows_placed_;
  mutable std::unique_ptr<const RowLists> row_lists_;
  mutable std::atomic<int64_t> row_lists_nbytes_{0};
};

}  // namespace gleann
