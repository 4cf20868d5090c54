// The parts of gleann.index._native, one per file of this folder.
#pragma once

#include <pybind11/pybind11.h>

namespace gleann {

void bind_assigner(pybind11::module_& module);  // Assigner
void bind_covering(pybind11::module_& module);  // Points, Covering
void bind_join(pybind11::module_& module);      // JoinSide, ListJoin, keep_first
void bind_mutual(pybind11::module_& module);    // mutual_neighbours
void bind_newer(pybind11::module_& module);     // NewerPart, NewerRows
void bind_row_file(pybind11::module_& module);  // RowFile
void bind_rows(pybind11::module_& module);      // unit_rows, quantise_rows
void bind_scanner(pybind11::module_& module);   // Scanner
void bind_threads(pybind11::module_& module);   // usable_cores, limit_cores, watch

}  // namespace gleann
