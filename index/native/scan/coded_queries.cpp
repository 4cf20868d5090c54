#include "scan/coded_queries.hpp"

#include "scan/engine.hpp"

namespace gleann {

// Kernels on tiles read whole tiles of queries.
constexpr int64_t kBeyond = 2 * kBlock;

CodedQueries::CodedQueries(const Engine& engine, const float* queries, int64_t count)
    : stride_(engine.packed_.query_bytes()),
      codes_(make_buffer<uint8_t>((count + kBeyond) * stride_)),
      scales_(count) {
  const ScanKernels& scan = engine.scan_;
  for (int64_t q = 0; q < count; ++q) {
    scales_[q] = scan.encode(queries + q * engine.d(), engine.center(), engine.d(),
                             scan.layout, codes_.get() + q * stride_);
  }
}

}  // namespace gleann
