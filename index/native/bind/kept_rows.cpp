#include "bind/kept_rows.hpp"

#include <stdexcept>

#include "bind/bindings.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

Half half_of(const std::string& name) {
  if (name == "f16") return Half::kFloat16;
  if (name == "bf16") return Half::kBfloat16;
  throw std::invalid_argument("rows in 16 bits must be f16 or bf16, got " + name);
}

template <class T>
ShapedRows shaped(const Array<T>& array) {
  require(array.ndim() == 2, "vectors are not (n, d)");
  require_aligned(array);
  return ShapedRows{KeptRows{}, array.shape(0), array.shape(1)};
}

struct Taker {
  const std::string& half;

  ShapedRows operator()(const Array<float>& array) const {
    ShapedRows taken = shaped(array);
    taken.rows.floats = array.data();
    return taken;
  }
  ShapedRows operator()(const Array<uint16_t>& array) const {
    ShapedRows taken = shaped(array);
    taken.rows.halves = array.data();
    taken.rows.half = half_of(half);
    return taken;
  }
  ShapedRows operator()(const std::shared_ptr<RowFile>& file) const {
    require(file != nullptr, "vectors are none");
    ShapedRows taken{KeptRows{}, file->n(), file->d()};
    taken.rows.file = file.get();
    return taken;
  }
};

Array<float> read_rows(const RowFile& file, const Array<int32_t>& rows) {
  const int64_t count = rows.size();
  for (int64_t i = 0; i < count; ++i) {
    const int32_t row = rows.data()[i];
    require(row >= 0 && row < file.n(), "a row is not one of the file");
    require(i == 0 || rows.data()[i - 1] < row, "rows do not ascend");
  }
  Array<float> vectors({count, file.d()});
  float* out = vectors.mutable_data();
  const int32_t* wanted = rows.data();
  const py::gil_scoped_release release;
  file.read(wanted, count, out);
  return vectors;
}

void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const FileError& error) {
    const py::object kind =
        py::module_::import("gleann.index.errors").attr("CorruptDataError");
    PyErr_SetString(kind.ptr(), error.what());
  }
}

}  // namespace

ShapedRows kept_rows(const GivenRows& given, const std::string& half) {
  return std::visit(Taker{half}, given);
}

void bind_row_file(py::module_& module) {
  py::register_exception_translator(translate);
  py::class_<RowFile, std::shared_ptr<RowFile>>(module, "RowFile")
      .def(py::init<int, std::string, int64_t, int64_t, int64_t>(), py::kw_only(),
           py::arg("descriptor"), py::arg("name"), py::arg("start"), py::arg("n"),
           py::arg("d"))
      .def("read", read_rows, py::arg("rows").noconvert());
}

}  // namespace gleann
