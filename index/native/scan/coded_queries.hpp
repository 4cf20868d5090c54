// Queries in the codes that the scan reads.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"

namespace gleann {

class CodedQueries {
 public:
  // `queries`: (count, d), less `center` (d), which may be null. `stride`: bytes of one
  // coded query, padding included.
  CodedQueries(const ScanKernels& scan, int64_t stride, const float* center, int64_t d,
               const float* queries, int64_t count);

  int64_t count() const { return static_cast<int64_t>(scales_.size()); }
  int64_t stride() const { return stride_; }
  // The codes of queries `query`, `query + 1`, ..., each `stride()` bytes.
  const uint8_t* codes(int64_t query) const { return codes_.get() + query * stride_; }
  const QueryScale& scale(int64_t query) const { return scales_[query]; }

 private:
  int64_t stride_;
  Buffer<uint8_t> codes_;
  std::vector<QueryScale> scales_;
};

}  // namespace gleann
