// Scores of codes that lie a dimension after another, where a query is on its own: to
// put them into blocks would take longer than their products.
//
// `Rows` gives the products of one tier: sums(codes, query, bytes, out) writes the sums
// of kBlock codes of `bytes` dimensions, as the query was encoded for blocks.
#pragma once

#include "kernels/kernels.hpp"
#include "tiers/tile.hpp"

namespace gleann {
namespace {

template <class Code, class Number>
inline int32_t row_sum(const Code* code, const Number* query, int64_t bytes) {
  int32_t sum = 0;
  for (int64_t i = 0; i < bytes; ++i) {
    sum += static_cast<int32_t>(code[i]) * static_cast<int32_t>(query[i]);
  }
  return sum;
}

// int8 codes, and queries widened to int16.
struct WideRows {
  static void sums(const uint8_t* const* codes, const uint8_t* query, int64_t bytes,
                   int32_t* out) {
    const auto* wide = reinterpret_cast<const int16_t*>(query);
    for (int e = 0; e < kBlock; ++e) {
      out[e] = row_sum(reinterpret_cast<const int8_t*>(codes[e]), wide, bytes);
    }
  }
};

// Codes offset to uint8, int8 queries.
struct OffsetRows {
  static void sums(const uint8_t* const* codes, const uint8_t* query, int64_t bytes,
                   int32_t* out) {
    const auto* narrow = reinterpret_cast<const int8_t*>(query);
    for (int e = 0; e < kBlock; ++e) out[e] = row_sum(codes[e], narrow, bytes);
  }
};

// A block of the next list's codes.
inline void fetch_rows(const RowPointers& rows, int64_t first, int64_t bytes) {
  constexpr int kRead = 0, kToL2 = 2;
  const int64_t end =
      first + kBlock < rows.next_count ? first + kBlock : rows.next_count;
  for (int64_t slot = first; slot < end; ++slot) {
    const uint8_t* code = rows.next[slot];
    for (int64_t at = 0; at < bytes; at += kCacheLine) {
      __builtin_prefetch(code + at, kRead, kToL2);
    }
    __builtin_prefetch(code + bytes - 1, kRead, kToL2);
  }
}

template <class Ops, class Rows, Scoring S>
void score_rows(const RowPointers& rows, const Panel& panel, const Group& group,
                float* scores) {
  const int64_t bytes = panel.block_bytes / kBlock;
  for (int64_t slot = 0; slot < panel.blocks * kBlock; slot += kBlock) {
    if (group.alone) fetch_numbers(*group.alone, 1);
    fetch_rows(rows, slot, bytes);
    alignas(64) int32_t sums[kBlock];
    Rows::sums(rows.codes + slot, group.queries, bytes, sums);
    const auto acc = Ops::sum(sums, group.starts[0]);
    Ops::store(scores_of<Ops, S>(acc, panel, slot, group.factors[0]), scores + slot);
  }
}

// Kernels that can also read codes which are not in blocks.
template <class Ops, class Rows, Scoring S>
constexpr ScanKernels code_kernels(const Layout& layout, Encode encode) {
  ScanKernels kernels = vector_kernels<Ops, S>(layout, encode);
  kernels.score_rows = score_rows<Ops, Rows, S>;
  return kernels;
}

}  // namespace
}  // namespace gleann
