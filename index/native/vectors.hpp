// What every tier does with float32 vectors, written so that compilers vectorise it.
//
// Included by kernel files only, after they have chosen their instruction set: each
// gets its own copy. The arithmetic is the same, so are the results.
#pragma once

#include "kernels.hpp"

namespace gleann {
namespace {

inline float bits_to_float(int32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// max|x|. The bits of non-negative floats ascend with them, and an integer maximum
// vectorises where a float one, with its NaN rules, does not.
inline float peak(const float* x, int64_t d) {
  int32_t most = 0;
  for (int64_t i = 0; i < d; ++i) {
    int32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    most = bits > most ? bits : most;
  }
  return bits_to_float(most);
}

// Adding and subtracting 1.5 * 2^23 leaves the nearest integer, ties to even.
inline int32_t round_code(float x, float scale) {
  const float v = x / scale;
  const float low = v < -127.0f ? -127.0f : v;
  const float clipped = low > 127.0f ? 127.0f : low;
  return static_cast<int32_t>((clipped + 12582912.0f) - 12582912.0f);
}

template <class Code>
inline int32_t round_codes(const float* x, int64_t d, float scale, Code* codes) {
  int32_t sum = 0;
  for (int64_t i = 0; i < d; ++i) {
    const int32_t code = round_code(x[i], scale);
    codes[i] = static_cast<Code>(code);
    sum += code;
  }
  return sum;
}

// The rule of index/codes.py. `codes` keeps its zeros past the last dimension.
QueryScale quantise(const float* query, int64_t d, const Layout& layout,
                    uint8_t* codes) {
  float scale = peak(query, d) / 127.0f;
  if (!(scale > 0.0f)) scale = 1.0f;
  const int32_t sum =
      layout.wide_query
          ? round_codes(query, d, scale, reinterpret_cast<int16_t*>(codes))
          : round_codes(query, d, scale, reinterpret_cast<int8_t*>(codes));
  // Offset codes add 128 * (sum of the query) to each dot product.
  return QueryScale{scale, layout.flip ? -128 * sum : 0};
}

constexpr int kLanes = 16;

template <bool kL2>
inline double accumulate(const float* a, const float* b, int64_t d) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const double x = a[i + j], y = b[i + j];
      lanes[j] += kL2 ? (x - y) * (x - y) : x * y;
    }
  }
  for (int j = 0; i + j < d; ++j) {
    const double x = a[i + j], y = b[i + j];
    lanes[j] += kL2 ? (x - y) * (x - y) : x * y;
  }
  double sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += lanes[j];
  return sum;
}

// The rule of index/metric.py; false where there is no such vector: zero, NaN, infinity.
bool to_unit(const float* vector, int64_t d, float* unit) {
  const double length = __builtin_sqrt(accumulate<false>(vector, vector, d));
  for (int64_t i = 0; i < d; ++i) unit[i] = static_cast<float>(vector[i] / length);
  return length > 0 && length < __builtin_inf();
}

inline void prefetch_row(const float* row, int64_t d) {
  const char* bytes = reinterpret_cast<const char*>(row);
  for (int64_t at = 0; at < d * 4; at += kCacheLine) __builtin_prefetch(bytes + at);
}

template <bool kL2>
inline void measure(const float* query, const float* vectors, const int32_t* rows,
                    int64_t count, int64_t d, double offset, float* out) {
  constexpr int64_t kAhead = 4;
  for (int64_t i = 0; i < count && i < kAhead; ++i) {
    prefetch_row(vectors + rows[i] * d, d);
  }
  for (int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch_row(vectors + rows[i + kAhead] * d, d);
    const double sum = accumulate<kL2>(query, vectors + rows[i] * d, d);
    out[i] = static_cast<float>(kL2 ? sum : offset - sum);
  }
}

void distances(const float* query, const float* vectors, const int32_t* rows,
               int64_t count, int64_t d, Distance distance, float* out) {
  if (distance == Distance::kSquaredL2) {
    measure<true>(query, vectors, rows, count, d, 0.0, out);
  } else {
    const double offset = distance == Distance::kOneMinusDot ? 1.0 : 0.0;
    measure<false>(query, vectors, rows, count, d, offset, out);
  }
}

}  // namespace
}  // namespace gleann
