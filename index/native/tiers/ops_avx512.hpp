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

// See row_dots.hpp: four codes at a time, so that their sums do not wait for each
// other.
struct Avx512Rows {
  static void sums(const uint8_t* const* codes, const uint8_t* query, int64_t bytes,
                   int32_t* out) {
    for (int e = 0; e < kBlock; e += 4) four_sums(codes + e, query, bytes, out + e);
  }

 private:
  static void four_sums(const uint8_t* const* codes, const uint8_t* query,
                        int64_t bytes, int32_t* out) {
    __m512i acc[4];
#pragma GCC unroll 4
    for (int e = 0; e < 4; ++e) acc[e] = _mm512_setzero_si512();
    int64_t i = 0;
    for (; i + 64 <= bytes; i += 64) {
      const __m512i part = _mm512_loadu_si512(query + i);
#pragma GCC unroll 4
      for (int e = 0; e < 4; ++e) {
        acc[e] = _mm512_dpbusd_epi32(acc[e], _mm512_loadu_si512(codes[e] + i), part);
      }
    }
    if (i < bytes) {
      const __mmask64 rest = (uint64_t{1} << (bytes - i)) - 1;
      const __m512i part = _mm512_maskz_loadu_epi8(rest, query + i);
#pragma GCC unroll 4
      for (int e = 0; e < 4; ++e) {
        const __m512i code = _mm512_maskz_loadu_epi8(rest, codes[e] + i);
        acc[e] = _mm512_dpbusd_epi32(acc[e], code, part);
      }
    }
    _mm_store_si128(reinterpret_cast<__m128i*>(out), totals(acc));
  }

  // The sum of each register, all four in fewer steps than one after another.
  static __m128i totals(const __m512i (&acc)[4]) {
    const __m512i first = _mm512_add_epi32(_mm512_unpacklo_epi32(acc[0], acc[1]),
                                           _mm512_unpackhi_epi32(acc[0], acc[1]));
    const __m512i last = _mm512_add_epi32(_mm512_unpacklo_epi32(acc[2], acc[3]),
                                          _mm512_unpackhi_epi32(acc[2], acc[3]));
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(first, last),
                                         _mm512_unpackhi_epi64(first, last));
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all),
                                          _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half),
                         _mm256_extracti128_si256(half, 1));
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
