// Covering with AVX2: products of 16 bits, which cannot saturate (see scan_avx2.cpp).
#if defined(__x86_64__)
#include <immintrin.h>

#include "covering.hpp"

#define GLEANN_TARGET "avx2,fma,bmi"
#include "target_begin.hpp"

#include "cover_tile.hpp"

namespace gleann {
namespace {

struct CoverAvx2 {
  static constexpr int kBlocks = 1, kCentres = 5, kBlockStep = 32;
  struct Acc {
    __m256i low, high;
  };
  using Codes = Acc;
  using Centre = __m256i;

  static Acc start(int32_t value) {
    return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
  }
  static Codes load(const uint8_t* bytes) {
    const auto* halves = reinterpret_cast<const __m128i*>(bytes);
    return {_mm256_cvtepi8_epi16(_mm_load_si128(halves)),
            _mm256_cvtepi8_epi16(_mm_load_si128(halves + 1))};
  }
  static Centre broadcast(const uint8_t* bytes) {
    int32_t two;
    __builtin_memcpy(&two, bytes, sizeof two);
    return _mm256_set1_epi32(two);
  }
  static Acc dot(const Acc& acc, const Codes& codes, Centre centre) {
    return {_mm256_add_epi32(acc.low, _mm256_madd_epi16(codes.low, centre)),
            _mm256_add_epi32(acc.high, _mm256_madd_epi16(codes.high, centre))};
  }
  static uint32_t below(const Acc& acc, const CoverJob& job, int64_t slot,
                        const CoverCentre& centre) {
    return half_below(acc.low, job, slot, centre) |
           half_below(acc.high, job, slot + 8, centre) << 8;
  }

 private:
  static uint32_t half_below(__m256i acc, const CoverJob& job, int64_t slot,
                             const CoverCentre& centre) {
    const __m256 dots =
        _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_set1_ps(centre.scale));
    __m256 most = _mm256_fmadd_ps(dots, _mm256_loadu_ps(job.scales + slot),
                                  _mm256_loadu_ps(job.limits + slot));
    most = _mm256_fmadd_ps(_mm256_loadu_ps(job.lengths + slot),
                           _mm256_set1_ps(centre.error), most);
    most = _mm256_fmadd_ps(_mm256_loadu_ps(job.errors + slot),
                           _mm256_set1_ps(centre.length), most);
    return static_cast<uint32_t>(_mm256_movemask_ps(
        _mm256_cmp_ps(most, _mm256_set1_ps(centre.half_square), _CMP_GT_OQ)));
  }
};

}  // namespace

const CoverKernels kAvx2Cover = {"avx2", CoverLayout{2, 0}, cover<CoverAvx2>,
                                 squared_distances};

}  // namespace gleann

#include "target_end.hpp"
#endif
