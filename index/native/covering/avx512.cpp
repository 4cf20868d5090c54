// Covering with AVX-512 VNNI: 16 rows in the lanes of one register.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header starts some intrinsics from a register it leaves undefined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "covering/covering.hpp"
#include "kernels/kernels.hpp"

#define GLEANN_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,bmi"
#include "tiers/target_begin.hpp"

#include "covering/cover_tile.hpp"
// After the tile: functions compiled with other options are not inlined into it.
#include "tiers/ops_avx512.hpp"

namespace gleann {
namespace {

struct CoverAvx512 : Avx512Int {
  static constexpr int kCentres = 6, kBlockStep = kCodeStep;
  using Centre = Query;

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

const CoverKernels kAvx512Cover = {"avx512", CoverLayout{4, 0x80}, cover<CoverAvx512>,
                                   squared_distances};

}  // namespace gleann

#include "tiers/target_end.hpp"
#endif
