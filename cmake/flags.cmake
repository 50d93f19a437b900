# One interface target carries every flag; each layer links it.
add_library(penstock_flags INTERFACE)
# -iquote, not -I: <sys/socket.h> is the system's, "sys/socket.h" is ours.
target_compile_options(penstock_flags INTERFACE "SHELL:-iquote ${CMAKE_SOURCE_DIR}/src")
target_compile_definitions(penstock_flags INTERFACE PENSTOCK_VERSION="${PROJECT_VERSION}")
target_compile_options(penstock_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Wunused-result -Wno-gnu-zero-variadic-macro-arguments
  # error.def names every field of a row; a missing one is an error, not a zero.
  -Wmissing-field-initializers)

set(PENSTOCK_SANITIZE "" CACHE STRING "address, thread or empty")
if(PENSTOCK_SANITIZE STREQUAL "address")
  # ASan and UBSan together: one build, one run of every test. -fsanitize=function misreads
  # coroutine resume functions and is left out.
  set(flags -fsanitize=address,undefined -fno-sanitize=function -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
elseif(PENSTOCK_SANITIZE STREQUAL "thread")
  set(flags -fsanitize=thread -fno-omit-frame-pointer)
endif()
if(PENSTOCK_FUZZERS AND PENSTOCK_COVERAGE_FOR_FUZZING)
  list(APPEND flags -fsanitize=fuzzer-no-link)
endif()
if(flags)
  target_compile_options(penstock_flags INTERFACE ${flags})
  target_link_options(penstock_flags INTERFACE ${flags})
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  # A proxy parses what strangers send: hardening stays on where it ships.
  target_compile_options(penstock_flags INTERFACE
    -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection
    -fcf-protection)
  target_link_options(penstock_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
target_link_options(penstock_flags INTERFACE -fuse-ld=lld)
