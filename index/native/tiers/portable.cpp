// The tier for CPUs without a better one.
#include "kernels/kernels.hpp"
#include "tiers/assign_tile.hpp"
#include "tiers/ops_portable.hpp"
#include "tiers/row_dots.hpp"
#include "tiers/tile.hpp"
#include "tiers/vectors.hpp"

namespace gleann {

namespace {
constexpr Layout kInt8Layout = {2, 1, kBlock, 0, 0, true, 1};
}  // namespace

constexpr Kernels kPortableKernels = {
    "portable",
    code_kernels<PortableInt, WideRows, Scoring::kDot>(kInt8Layout, quantise),
    code_kernels<PortableInt, WideRows, Scoring::kBiasedDot>(kInt8Layout, quantise),
    vector_kernels<PortableDifferences, Scoring::kWhole>(kFloatLayout, encode_floats),
    vector_kernels<PortableProducts, Scoring::kLess>(kFloatLayout, encode_floats),
    threshold_of_few<PortableInt>,
    collect<PortableInt>,
    assign<PortableFloat>,
    to_unit,
    distances,
    half_distances,
};

}  // namespace gleann
