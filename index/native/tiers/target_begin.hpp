// Compiles the code that follows for GLEANN_TARGET, until target_end.hpp. No include
// guard: each .cpp file includes it once, after the headers of other folders.
#if defined(__clang__)
#define GLEANN_PRAGMA_TEXT(text) _Pragma(#text)
#define GLEANN_PRAGMA(text) GLEANN_PRAGMA_TEXT(text)
GLEANN_PRAGMA(clang attribute push(__attribute__((target(GLEANN_TARGET))),
                                   apply_to = function))
#else
#pragma GCC push_options
#define GLEANN_PRAGMA_TEXT(text) _Pragma(#text)
#define GLEANN_PRAGMA(text) GLEANN_PRAGMA_TEXT(text)
GLEANN_PRAGMA(GCC target(GLEANN_TARGET))
#endif
