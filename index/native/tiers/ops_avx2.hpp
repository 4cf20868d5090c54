// The instructions of the AVX2 tier: 16-bit products, which cannot saturate.
//
// The 8-bit multiply-add saturates unless one side is a magnitude with the sign moved
// to the other, which costs as many instructions as widening the codes; and widened
// codes serve all queries of a tile.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace gleann {
namespace {

struct Avx2Base {
  static constexpr int kBlocks = 1, kQueries = 6, kSoloBlocks = 4;
  struct Scores {
    __m256 low, high;
  };

  static uint32_t hits(const Scores& scores, float threshold) {
    const __m256 least = _mm256_set1_ps(threshold);
    const auto low = _mm256_movemask_ps(_mm256_cmp_ps(scores.low, least, _CMP_GE_OQ));
    const auto high = _mm256_movemask_ps(_mm256_cmp_ps(scores.high, least, _CMP_GE_OQ));
    return static_cast<uint32_t>(low) | static_cast<uint32_t>(high) << 8;
  }
  static void store(const Scores& scores, float* out) {
    _mm256_store_ps(out, scores.low);
    _mm256_store_ps(out + 8, scores.high);
  }
  static Scores load_scores(const float* scores) {
    return {_mm256_load_ps(scores), _mm256_load_ps(scores + 8)};
  }
  static void write_lanes(uint32_t hits, int32_t first, int32_t* out) {
    for (; hits != 0; hits &= hits - 1) *out++ = first + __builtin_ctz(hits);
  }
};

// Two dimensions per step, those of one entry side by side.
struct Avx2Int : Avx2Base {
  static constexpr int kCodeStep = 32;
  struct Acc {
    __m256i low, high;
  };
  using Codes = Acc;
  using Query = __m256i;

  static Acc start(int32_t value) {
    return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
  }
  static Acc sum(const int32_t* sums, int32_t plus) {
    const __m256i more = _mm256_set1_epi32(plus);
    const auto* halves = reinterpret_cast<const __m256i*>(sums);
    return {_mm256_add_epi32(_mm256_load_si256(halves), more),
            _mm256_add_epi32(_mm256_load_si256(halves + 1), more)};
  }
  static Codes load(const uint8_t* bytes) {
    const auto* halves = reinterpret_cast<const __m128i*>(bytes);
    return {_mm256_cvtepi8_epi16(_mm_load_si128(halves)),
            _mm256_cvtepi8_epi16(_mm_load_si128(halves + 1))};
  }
  static Query broadcast(const uint8_t* bytes) {
    int32_t pair;
    __builtin_memcpy(&pair, bytes, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static Acc dot(Acc acc, Codes codes, Query query) {
    return {_mm256_add_epi32(acc.low, _mm256_madd_epi16(codes.low, query)),
            _mm256_add_epi32(acc.high, _mm256_madd_epi16(codes.high, query))};
  }
  static Scores dot_score(Acc acc, const float* scales) {
    return {_mm256_mul_ps(_mm256_cvtepi32_ps(acc.low), _mm256_loadu_ps(scales)),
            _mm256_mul_ps(_mm256_cvtepi32_ps(acc.high), _mm256_loadu_ps(scales + 8))};
  }
  static Scores biased_score(Acc acc, const float* scales, const float* biases,
                             float factor) {
    const Scores dots = dot_score(acc, scales);
    const __m256 by = _mm256_set1_ps(factor);
    __m256 low = _mm256_mul_ps(dots.low, by), high = _mm256_mul_ps(dots.high, by);
    // Keeps compilers from fusing product and difference: each must be rounded.
    __asm__("" : "+x"(low), "+x"(high));
    return {_mm256_sub_ps(low, _mm256_loadu_ps(biases)),
            _mm256_sub_ps(high, _mm256_loadu_ps(biases + 8))};
  }
};

// Sums that are rounded at each step, as in NumPy: nothing here may be fused.
struct Avx2Sums : Avx2Base {
  static constexpr int kQueries = 4, kCodeStep = 64;
  using Acc = Scores;
  using Codes = Scores;
  using Query = __m256;

  static Acc start(int32_t) { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Codes load(const uint8_t* bytes) {
    const auto* floats = reinterpret_cast<const float*>(bytes);
    return {_mm256_load_ps(floats), _mm256_load_ps(floats + 8)};
  }
  static Query broadcast(const uint8_t* bytes) {
    float value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return _mm256_set1_ps(value);
  }
  static Scores whole_score(Acc acc) { return acc; }
  static Scores less_score(Acc acc, const float* biases) {
    return {_mm256_sub_ps(acc.low, _mm256_loadu_ps(biases)),
            _mm256_sub_ps(acc.high, _mm256_loadu_ps(biases + 8))};
  }
};

struct Avx2Differences : Avx2Sums {
  static Acc dot(Acc acc, Codes codes, Query query) {
    const __m256 below = _mm256_sub_ps(query, codes.low);
    const __m256 above = _mm256_sub_ps(query, codes.high);
    __m256 low = _mm256_mul_ps(below, below), high = _mm256_mul_ps(above, above);
    __asm__("" : "+x"(low), "+x"(high));
    return {_mm256_sub_ps(acc.low, low), _mm256_sub_ps(acc.high, high)};
  }
};

struct Avx2Products : Avx2Sums {
  static Acc dot(Acc acc, Codes codes, Query query) {
    __m256 low = _mm256_mul_ps(codes.low, query);
    __m256 high = _mm256_mul_ps(codes.high, query);
    __asm__("" : "+x"(low), "+x"(high));
    return {_mm256_add_ps(acc.low, low), _mm256_add_ps(acc.high, high)};
  }
};

struct Avx2Float : Avx2Base {
  static constexpr int kCodeStep = 64;
  using Acc = Scores;
  using Codes = Scores;
  using Query = __m256;

  static Acc start(int32_t) { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Codes load(const uint8_t* bytes) {
    const auto* floats = reinterpret_cast<const float*>(bytes);
    return {_mm256_load_ps(floats), _mm256_load_ps(floats + 8)};
  }
  static Query broadcast(const uint8_t* bytes) {
    float value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return _mm256_set1_ps(value);
  }
  static Acc dot(Acc acc, Codes codes, Query query) {
    return {_mm256_fmadd_ps(codes.low, query, acc.low),
            _mm256_fmadd_ps(codes.high, query, acc.high)};
  }
  static Scores bias_score(Acc acc, const float* biases) {
    return {_mm256_add_ps(acc.low, _mm256_loadu_ps(biases)),
            _mm256_add_ps(acc.high, _mm256_loadu_ps(biases + 8))};
  }
};

}  // namespace
}  // namespace gleann
