// Queries in the form that the scan reads.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.hpp"
#include "scan/rank_lists.hpp"

namespace gleann {

class Engine;

class CodedQueries {
 public:
  // `queries`: (count, d).
  CodedQueries(const Engine& engine, const float* queries, int64_t count);

  QueryCodes view() const {
    return QueryCodes{codes_.get(), stride_, scales_.data(),
                      static_cast<int64_t>(scales_.size())};
  }
  const uint8_t* codes(int64_t query) const { return codes_.get() + query * stride_; }
  const QueryScale& scale(int64_t query) const { return scales_[query]; }

 private:
  int64_t stride_;
  Buffer<uint8_t> codes_;
  std::vector<QueryScale> scales_;
};

}  // namespace gleann
