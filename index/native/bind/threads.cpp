#include "bind/bindings.hpp"

#include "base/threads.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

// A borrowed reference: the caller of `watch` owns the callback and unsets it.
thread_local PyObject* watcher = nullptr;

// Runs on the thread that called from Python; throws for Ctrl-C or if the watcher does.
void beat() {
  const py::gil_scoped_acquire hold;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  if (watcher == nullptr) return;
  PyObject* const heard = PyObject_CallNoArgs(watcher);
  if (heard == nullptr) throw py::error_already_set();
  Py_DECREF(heard);
}

void watch(const py::object& callback) {
  watcher = callback.is_none() ? nullptr : callback.ptr();
}

}  // namespace

void bind_threads(py::module_& module) {
  set_heartbeat(beat);
  module.def("usable_cores", usable_cores);
  module.def("limit_cores", limit_cores, py::arg("cores"));
  module.def("watch", watch, py::arg("callback"),
             "Let long calls from this thread call back ten times a second; None: no "
             "more. The caller keeps a reference for as long.");
}

}  // namespace gleann
