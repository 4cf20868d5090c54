// The instructions of the AVX-512 VNNI tier: 16 entries in the lanes of one register.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.hpp"

namespace gleann {
namespace {

struct Avx512Base {
  static constexpr int kBlocks = 4, kQueries = 6, kSoloBlocks = 8, kCodeStep = 64;
  using Scores = __m512;

  static uint32_t hits(Scores scores, float threshold) {
    return _mm512_cmp_ps_mask(scores, _mm512_set1_ps(threshold), _CMP_GE_OQ);
  }
  static void store(Scores scores, float* out) { _mm512_store_ps(out, scores); }
  static Scores load_scores(const float* scores) { return _mm512_load_ps(scores); }
  static void write_lanes(uint32_t hits, int32_t first, int32_t* out) {
    const __m512i lanes =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i slots = _mm512_add_epi32(lanes, _mm512_set1_epi32(first));
    _mm512_storeu_si512(
        out, _mm512_maskz_compress_epi32(static_cast<__mmask16>(hits), slots));
  }
};

// Codes are offset to uint8, since the instruction needs one unsigned operand. The
// codes are that operand, so that the correction is one number per query, the initial
// value of its sums.
struct Avx512Int : Avx512Base {
  using Acc = __m512i;
  using Codes = __m512i;
  using Query = __m512i;

  static Acc start(int32_t value) { return _mm512_set1_epi32(value); }
  static Acc sum(const int32_t* sums, int32_t plus) {
    return _mm512_add_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(plus));
  }
  static Codes load(const uint8_t* bytes) { return _mm512_load_si512(bytes); }
  static Query broadcast(const uint8_t* bytes) {
    int32_t four;
    __builtin_memcpy(&four, bytes, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Acc dot(Acc acc, Codes codes, Query query) {
    return _mm512_dpbusd_epi32(acc, codes, query);
  }
  static Scores dot_score(Acc acc, const float* scales) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(scales));
  }
  static Scores biased_score(Acc acc, const float* scales, const float* biases,
                             float factor) {
    Scores dots = _mm512_mul_ps(dot_score(acc, scales), _mm512_set1_ps(factor));
    // Keeps compilers from fusing product and difference: each must be rounded.
    __asm__("" : "+v"(dots));
    return _mm512_sub_ps(dots, _mm512_loadu_ps(biases));
  }
};

// Sums that are rounded at each step, as in NumPy: nothing here may be fused.
struct Avx512Sums : Avx512Base {
  using Acc = __m512;
  using Codes = __m512;
  using Query = __m512;

  static Acc start(int32_t) { return _mm512_setzero_ps(); }
  static Codes load(const uint8_t* bytes) { return _mm512_load_ps(bytes); }
  static Query broadcast(const uint8_t* bytes) {
    float value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return _mm512_set1_ps(value);
  }
  static Scores whole_score(Acc acc) { return acc; }
  static Scores less_score(Acc acc, const float* biases) {
    return _mm512_sub_ps(acc, _mm512_loadu_ps(biases));
  }
};

struct Avx512Differences : Avx512Sums {
  static Acc dot(Acc acc, Codes codes, Query query) {
    const __m512 apart = _mm512_sub_ps(query, codes);
    __m512 square = _mm512_mul_ps(apart, apart);
    __asm__("" : "+v"(square));
    return _mm512_sub_ps(acc, square);
  }
};

struct Avx512Products : Avx512Sums {
  static Acc dot(Acc acc, Codes codes, Query query) {
    __m512 product = _mm512_mul_ps(codes, query);
    __asm__("" : "+v"(product));
    return _mm512_add_ps(acc, product);
  }
};

struct Avx512Float : Avx512Base {
  using Acc = __m512;
  using Codes = __m512;
  using Query = __m512;

  static Acc start(int32_t) { return _mm512_setzero_ps(); }
  static Codes load(const uint8_t* bytes) { return _mm512_load_ps(bytes); }
  static Query broadcast(const uint8_t* bytes) {
    float value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return _mm512_set1_ps(value);
  }
  static Acc dot(Acc acc, Codes codes, Query query) {
    return _mm512_fmadd_ps(codes, query, acc);
  }
  static Scores bias_score(Acc acc, const float* biases) {
    return _mm512_add_ps(acc, _mm512_loadu_ps(biases));
  }
};

}  // namespace
}  // namespace gleann
