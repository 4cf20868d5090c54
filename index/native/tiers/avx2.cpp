// The AVX2 tier.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/kernels.hpp"

#define GLEANN_TARGET "avx2,fma,bmi,f16c"
#define GLEANN_HAS_F16C
#include "tiers/target_begin.hpp"

#include "tiers/assign_tile.hpp"
#include "tiers/ops_avx2.hpp"
#include "tiers/row_dots.hpp"
#include "tiers/tile.hpp"
#include "tiers/vectors.hpp"

namespace gleann {
namespace {
constexpr Layout kInt8Layout = {2, 2, 1, 0, 0, true, 1};
}  // namespace

constexpr Kernels kAvx2Kernels = {
    "avx2",
    code_kernels<Avx2Int, WideRows, Scoring::kDot>(kInt8Layout, quantise),
    code_kernels<Avx2Int, WideRows, Scoring::kBiasedDot>(kInt8Layout, quantise),
    vector_kernels<Avx2Differences, Scoring::kWhole>(kFloatLayout, encode_floats),
    vector_kernels<Avx2Products, Scoring::kLess>(kFloatLayout, encode_floats),
    threshold_of_few<Avx2Int>,
    collect<Avx2Int>,
    assign<Avx2Float>,
    to_unit,
    distances,
    half_distances,
};

}  // namespace gleann

#include "tiers/target_end.hpp"
#endif
