// Ends the target that target_begin.hpp set.
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
