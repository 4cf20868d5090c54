// The rows that queries re-rank: read where they are in a file, and measured.
#include "base/keys.hpp"
#include "scan/kept_rows.hpp"
#include "scan/query_batch.hpp"

namespace gleann {

// Read what queries from `first` on re-rank, if that is in a file; returns the first
// query for which it is to be called again.
int64_t QueryBatch::fetch(int64_t first) {
  if (!file_rows_) return count_;
  file_rows_->clear();
  int64_t q = first;
  for (; q < count_ && !file_rows_->is_full(); ++q) {
    Sink& sink = sinks_[q];
    compact(sink);
    for (int32_t i = 0; i < sink.count; ++i) {
      const int32_t row = key_row(sink.keys[i]);
      if (row < engine_.n()) file_rows_->want(row);
    }
  }
  file_rows_->read();
  return q;
}

// The distances of a query to rows_[0 .. count - 1], all of them of the index.
void QueryBatch::measure_kept(int64_t query, int64_t count, float* distances) {
  const int64_t d = engine_.vector_d();
  const float* asked =
      job_.exact ? job_.exact + (first_ + query) * d : queries_ + query * d;
  const KeptRows& kept = engine_.arrays_.vectors;
  const Distance distance = engine_.arrays_.distance;
  if (kept.halves) {
    if (!widened_) widened_ = make_buffer<float>(d);
    engine_.kernels_.half_distances(asked, kept.halves, kept.half, rows_.data(), count,
                                    d, distance, widened_.get(), distances);
    return;
  }
  const float* vectors = kept.floats;
  if (file_rows_) {
    file_rows_->place(rows_.data(), count);
    vectors = file_rows_->vectors();
  }
  engine_.kernels_.distances(asked, vectors, rows_.data(), count, d, distance,
                             distances);
}

}  // namespace gleann
