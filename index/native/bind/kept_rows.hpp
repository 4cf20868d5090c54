// The rows to re-rank, as Python gives them.
#pragma once

#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <variant>

#include "bind/arrays.hpp"
#include "scan/kept_rows.hpp"

namespace gleann {

// In float32; in 16 bits a dimension; or in a file.
using GivenRows = std::variant<Array<float>, Array<uint16_t>, std::shared_ptr<RowFile>>;

struct ShapedRows {
  KeptRows rows;
  int64_t n;
  int64_t d;
};

// `half`: "f16" or "bf16" for rows in 16 bits, else ignored.
ShapedRows kept_rows(const GivenRows& given, const std::string& half);

}  // namespace gleann
