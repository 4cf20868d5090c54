// Covering with AVX-512 VNNI: 16 rows in the lanes of one register.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header starts some intrinsics from a register it leaves undefined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "covering.hpp"

#define GLEANN_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,bmi"
#include "target_begin.hpp"

#include "cover_tile.hpp"

namespace gleann {
namespace {

struct CoverAvx512 {
  static constexpr int kBlocks = 4, kCentres = 6, kBlockStep = 64;
  using Acc = __m512i;
  using Codes = __m512i;
  using Centre = __m512i;

  static Acc start(int32_t value) { return _mm512_set1_epi32(value); }
  static Codes load(const uint8_t* bytes) { return _mm512_load_si512(bytes); }
  static Centre broadcast(const uint8_t* bytes) {
    int32_t four;
    __builtin_memcpy(&four, bytes, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Acc dot(Acc acc, Codes codes, Centre centre) {
    return _mm512_dpbusd_epi32(acc, codes, centre);
  }
  static uint32_t below(Acc acc, const CoverJob& job, int64_t slot,
                        const CoverCentre& centre) {
    const __m512 dots =
        _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_set1_ps(centre.scale));
    __m512 most = _mm512_fmadd_ps(dots, _mm512_loadu_ps(job.scales + slot),
                                  _mm512_loadu_ps(job.limits + slot));
    most = _mm512_fmadd_ps(_mm512_loadu_ps(job.lengths + slot),
                           _mm512_set1_ps(centre.error), most);
    most = _mm512_fmadd_ps(_mm512_loadu_ps(job.errors + slot),
                           _mm512_set1_ps(centre.length), most);
    return _mm512_cmp_ps_mask(most, _mm512_set1_ps(centre.half_square), _CMP_GT_OQ);
  }
};

}  // namespace

const CoverKernels kAvx512Cover = {
    "avx512", CoverLayout{4, 0x80}, cover<CoverAvx512>, squared_distances};

}  // namespace gleann

#include "target_end.hpp"
#endif
