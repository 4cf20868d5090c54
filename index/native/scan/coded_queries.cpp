#include "scan/coded_queries.hpp"

namespace gleann {

// Kernels on tiles read whole tiles of queries.
constexpr int64_t kBeyond = 2 * kBlock;

CodedQueries::CodedQueries(const ScanKernels& scan, int64_t stride, const float* center,
                           int64_t d, const float* queries, int64_t count)
    : stride_(stride),
      codes_(make_buffer<uint8_t>((count + kBeyond) * stride)),
      scales_(count) {
  for (int64_t q = 0; q < count; ++q) {
    scales_[q] =
        scan.encode(queries + q * d, center, d, scan.layout, codes_.get() + q * stride);
  }
}

}  // namespace gleann
