// Loops over float32 vectors: encoding, scaling to unit length, exact distances.
//
// Included by the .cpp files of this folder only, after they have set their target:
// each has its own copy, with the same arithmetic and so the same results.
#pragma once

#include "kernels/kernels.hpp"
#include "tiers/halves.hpp"

namespace gleann {
namespace {

inline float bits_to_float(int32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

template <bool kCentred>
inline float less_center(const float* x, const float* center, int64_t i) {
  if constexpr (kCentred) return x[i] - center[i];
  return x[i];
}

// max|x - center|. The bits of non-negative floats ascend with them, and an integer
// maximum vectorises where a float one, with its NaN rules, does not.
template <bool kCentred>
inline float peak(const float* x, const float* center, int64_t d) {
  int32_t most = 0;
  for (int64_t i = 0; i < d; ++i) {
    const float value = less_center<kCentred>(x, center, i);
    int32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
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

template <bool kCentred, class Code>
inline int32_t round_codes(const float* x, const float* center, int64_t d, float scale,
                           Code* codes) {
  int32_t sum = 0;
  for (int64_t i = 0; i < d; ++i) {
    const int32_t code = round_code(less_center<kCentred>(x, center, i), scale);
    codes[i] = static_cast<Code>(code);
    sum += code;
  }
  return sum;
}

template <bool kCentred>
inline QueryScale quantise_less(const float* x, const float* center, int64_t d,
                                const Layout& layout, uint8_t* codes) {
  float scale = peak<kCentred>(x, center, d) / 127.0f;
  if (!(scale > 0.0f)) scale = 1.0f;
  const int32_t sum = layout.wide_query
                          ? round_codes<kCentred>(x, center, d, scale,
                                                  reinterpret_cast<int16_t*>(codes))
                          : round_codes<kCentred>(x, center, d, scale,
                                                  reinterpret_cast<int8_t*>(codes));
  // Offset codes add 128 * (sum of the query) to each dot product.
  return QueryScale{scale, layout.flip ? -128 * sum : 0};
}

// The rule of index/codes.py. `codes` keeps its zeros past the last dimension.
QueryScale quantise(const float* x, const float* center, int64_t d,
                    const Layout& layout, uint8_t* codes) {
  return center ? quantise_less<true>(x, center, d, layout, codes)
                : quantise_less<false>(x, center, d, layout, codes);
}

QueryScale encode_floats(const float* x, const float* center, int64_t d, const Layout&,
                         uint8_t* codes) {
  auto* out = reinterpret_cast<float*>(codes);
  for (int64_t i = 0; i < d; ++i) out[i] = center ? x[i] - center[i] : x[i];
  return QueryScale{1.0f, 0};
}

constexpr int kLanes = 16;

// In halves: adding one lane after another takes longer than all products of a row.
inline double sum_lanes(const double (&lanes)[kLanes]) {
  double eight[8], four[4];
  for (int j = 0; j < 8; ++j) eight[j] = lanes[j] + lanes[j + 8];
  for (int j = 0; j < 4; ++j) four[j] = eight[j] + eight[j + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

template <bool kL2, class Number>
inline double accumulate(const Number* a, const float* b, int64_t d) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const double x = a[i + j], y = b[i + j];
      lanes[j] += kL2 ? (x - y) * (x - y) : x * y;
    }
  }
  if (i == d) return sum_lanes(lanes);
  // All lanes again, so that they stay in registers: those behind the end add nothing.
  const int rest = static_cast<int>(d - i);
  for (int j = 0; j < kLanes; ++j) {
    const double x = j < rest ? a[i + j] : Number{0}, y = j < rest ? b[i + j] : 0.0f;
    lanes[j] += kL2 ? (x - y) * (x - y) : x * y;
  }
  return sum_lanes(lanes);
}

// The rule of index/metric.py; false if the length is zero, NaN or infinite.
bool to_unit(const float* vector, int64_t d, float* unit) {
  const double length = __builtin_sqrt(accumulate<false>(vector, vector, d));
  for (int64_t i = 0; i < d; ++i) unit[i] = static_cast<float>(vector[i] / length);
  return length > 0 && length < __builtin_inf();
}

inline void prefetch_bytes(const void* row, int64_t bytes) {
  const char* at = static_cast<const char*>(row);
  for (int64_t i = 0; i < bytes; i += kCacheLine) __builtin_prefetch(at + i);
}

// Rows as they are stored; `at` gives the numbers of one in float32.
struct FloatRows {
  const float* vectors;
  int64_t d;

  const float* at(int64_t row) const { return vectors + row * d; }
  void prefetch(int64_t row) const { prefetch_bytes(vectors + row * d, 4 * d); }
};

template <void (*kWiden)(const uint16_t*, int64_t, float*)>
struct HalfRows {
  const uint16_t* vectors;
  int64_t d;
  float* room;

  const float* at(int64_t row) const {
    kWiden(vectors + row * d, d, room);
    return room;
  }
  void prefetch(int64_t row) const { prefetch_bytes(vectors + row * d, 2 * d); }
};

// The sum times `factor`. `query`: float or, the same numbers, double.
template <bool kL2, class Number, class Stored>
inline void measure_rows(const Number* query, const Stored& stored, const int32_t* rows,
                         int64_t count, double factor, float* out) {
  constexpr int64_t kAhead = 4;
  for (int64_t i = 0; i < count && i < kAhead; ++i) stored.prefetch(rows[i]);
  for (int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) stored.prefetch(rows[i + kAhead]);
    const double sum = accumulate<kL2>(query, stored.at(rows[i]), stored.d);
    out[i] = static_cast<float>(factor * sum);
  }
}

// The query is widened once, and not for each row again.
template <bool kL2, class Stored>
inline void measure(const float* query, const Stored& stored, const int32_t* rows,
                    int64_t count, double factor, float* out) {
  constexpr int64_t kMostWide = 2048;  // dimensions on the stack
  if (stored.d > kMostWide) {
    return measure_rows<kL2>(query, stored, rows, count, factor, out);
  }
  double wide[kMostWide];
  for (int64_t i = 0; i < stored.d; ++i) wide[i] = query[i];
  measure_rows<kL2>(wide, stored, rows, count, factor, out);
}

template <class Stored>
inline void measure_all(const float* query, const Stored& stored, const int32_t* rows,
                        int64_t count, Distance distance, float* out) {
  if (distance == Distance::kNegatedDot) {
    measure<false>(query, stored, rows, count, -1.0, out);
  } else {
    const double factor = distance == Distance::kHalfSquaredL2 ? 0.5 : 1.0;
    measure<true>(query, stored, rows, count, factor, out);
  }
}

void distances(const float* query, const float* vectors, const int32_t* rows,
               int64_t count, int64_t d, Distance distance, float* out) {
  measure_all(query, FloatRows{vectors, d}, rows, count, distance, out);
}

void half_distances(const float* query, const uint16_t* vectors, Half half,
                    const int32_t* rows, int64_t count, int64_t d, Distance distance,
                    float* room, float* out) {
  if (half == Half::kFloat16) {
    const HalfRows<widen_float16> stored{vectors, d, room};
    measure_all(query, stored, rows, count, distance, out);
  } else {
    const HalfRows<widen_bfloat16> stored{vectors, d, room};
    measure_all(query, stored, rows, count, distance, out);
  }
}

}  // namespace
}  // namespace gleann
