// 16 lanes that compilers (GCC and clang) map to whatever registers a tier has.
//
// Included by kernel files only, after they have chosen their instruction set.
#pragma once

#include "kernels/kernels.hpp"

namespace gleann {
namespace {

typedef float Floats __attribute__((vector_size(kBlock * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(kBlock * sizeof(int32_t))));

}  // namespace
}  // namespace gleann
