// The AVX-512 VNNI tier.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header starts some intrinsics from a register it leaves undefined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/kernels.hpp"

#define GLEANN_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,bmi,f16c"
#define GLEANN_HAS_F16C
#include "tiers/target_begin.hpp"

#include "tiers/assign_tile.hpp"
#include "tiers/ops_avx512.hpp"
#include "tiers/row_dots.hpp"
#include "tiers/tile.hpp"
#include "tiers/vectors.hpp"

namespace gleann {

namespace {
constexpr Layout kInt8Layout = {4, 4, 1, 0x80, 0, false, 1};
}  // namespace

constexpr Kernels kAvx512Kernels = {
    "avx512",
    code_kernels<Avx512Int, Avx512Rows, Scoring::kDot>(kInt8Layout, quantise),
    code_kernels<Avx512Int, Avx512Rows, Scoring::kBiasedDot>(kInt8Layout, quantise),
    vector_kernels<Avx512Differences, Scoring::kWhole>(kFloatLayout, encode_floats),
    vector_kernels<Avx512Products, Scoring::kLess>(kFloatLayout, encode_floats),
    threshold_of_few<Avx512Int>,
    collect<Avx512Int>,
    assign<Avx512Float>,
    to_unit,
    distances,
    half_distances,
};

}  // namespace gleann

#include "tiers/target_end.hpp"
#endif
