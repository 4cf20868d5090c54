// Some queries on their way through the scan: their codes, what they probe, and the
// best entries so far. Belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "memory.hpp"
#include "sink.hpp"

namespace gleann {

class QueryBatch {
 public:
  // Queries first .. first + count - 1 of the job.
  QueryBatch(const Engine& engine, const ScanJob& job, int64_t first, int64_t count);

  // Bytes that each query takes.
  static int64_t bytes_a_query(const Engine& engine, const ScanJob& job);

  int64_t count() const { return count_; }
  // The query's list at a rank, -1 for none; `query` counts from the batch's first.
  int32_t list_no(int64_t query, int64_t rank) const {
    return job_.list_nos[(first_ + query) * job_.nprobe + rank];
  }

  // Scan one list for some queries of the batch.
  void scan(int32_t list_no, const int32_t* queries, int64_t count);

  // Take over what another batch of the same queries found in other lists.
  void merge(QueryBatch& other);

  // Measure the pools in float32 and write the nearest k of each query.
  void rerank();

  const Work& work() const { return work_; }

 private:
  void prepare(int64_t query);
  void gather(const int32_t* queries, int count);
  void write_nearest(int64_t query, int64_t found, std::vector<uint64_t>& keys);

  const Engine& engine_;
  const ScanJob& job_;
  const int64_t first_;
  const int64_t count_;
  const int64_t words_;  // of one query's bitmap
  int group_limit_;
  Buffer<uint8_t> codes_;
  Buffer<uint8_t> gathered_;
  std::vector<QueryScale> scales_;
  std::vector<uint64_t> probed_;
  std::unique_ptr<uint64_t[]> keys_;
  std::vector<Sink> sinks_;
  Group group_;
  Work work_;
};

// Tells the kernels that this thread scans, for as long as it lives.
class ScanSession {
 public:
  ScanSession(const Kernels& kernels, const Panel& panel) : kernels_(kernels) {
    if (kernels_.enter) kernels_.enter(panel);
  }
  ~ScanSession() {
    if (kernels_.leave) kernels_.leave();
  }
  ScanSession(const ScanSession&) = delete;
  ScanSession& operator=(const ScanSession&) = delete;

 private:
  const Kernels& kernels_;
};

}  // namespace gleann
