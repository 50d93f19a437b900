# penstock_layer(name USES lower-layers... LIBRARIES external...)
#
# Makes src/name a static library of its own and gives life to what stands beside its code:
#   x_test.cpp   one GoogleTest binary per layer, run by ctest
#   x_fuzz.cpp   one libFuzzer binary each, with fuzz/corpus/x as seeds (PENSTOCK_FUZZERS)
#   x_bench.cpp  one google-benchmark binary per layer (PENSTOCK_BENCHMARKS)
function(penstock_layer name)
  cmake_parse_arguments(LAYER "" "" "USES;LIBRARIES" ${ARGN})
  set(folder ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB tests CONFIGURE_DEPENDS ${folder}/*_test.cpp)
  file(GLOB fuzzers CONFIGURE_DEPENDS ${folder}/*_fuzz.cpp)
  file(GLOB benches CONFIGURE_DEPENDS ${folder}/*_bench.cpp)
  foreach(beside ${tests} ${fuzzers} ${benches})
    list(REMOVE_ITEM sources ${beside})
  endforeach()

  set(links penstock_flags ${LAYER_LIBRARIES})
  foreach(lower ${LAYER_USES})
    list(APPEND links penstock_${lower})
  endforeach()
  if(sources)
    # The sanitizers' presets compile eight files at a time (CMAKE_UNITY_BUILD), which takes a third
    # of the time; what ships is compiled file by file, as the linter reads it.
    add_library(penstock_${name} STATIC ${sources})
    target_link_libraries(penstock_${name} PUBLIC ${links})
  else()
    add_library(penstock_${name} INTERFACE)
    target_link_libraries(penstock_${name} INTERFACE ${links})
  endif()

  if(tests AND PENSTOCK_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE penstock_${name} GTest::gmock GTest::gtest_main)
    # What is tested is optimised as it ships; the tests themselves are not, which halves the time
    # that a sanitizer build takes. (glibc's fortification refuses to work without optimisation.)
    target_compile_options(${name}_test PRIVATE -O0 -U_FORTIFY_SOURCE)
    # Each test file may call its helpers what it likes.
    set_target_properties(${name}_test PROPERTIES UNITY_BUILD OFF)
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
  if(benches AND PENSTOCK_BENCHMARKS)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE penstock_${name} benchmark::benchmark_main)
    # Once through, as a test: a benchmark that no longer runs is found today, not next year.
    add_test(NAME ${name}_bench COMMAND ${name}_bench --benchmark_min_time=0.01)
  endif()
  if(PENSTOCK_FUZZERS)
    foreach(fuzzer ${fuzzers})
      get_filename_component(target ${fuzzer} NAME_WE)
      penstock_fuzzer(${target} ${fuzzer} penstock_${name})
    endforeach()
  endif()
endfunction()

function(penstock_fuzzer target source library)
  string(REGEX REPLACE "_fuzz$" "" corpus ${target})
  add_executable(${target} ${source})
  target_link_libraries(${target} PRIVATE ${library})
  target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  add_test(NAME ${target}_corpus
    COMMAND ${target} -runs=0 -timeout=10 ${CMAKE_SOURCE_DIR}/fuzz/corpus/${corpus})
endfunction()

# A target that must crash on its seed. If it passes, the rig is not looking.
function(penstock_fuzz_canary)
  if(PENSTOCK_FUZZERS)
    penstock_fuzzer(canary_fuzz ${CMAKE_SOURCE_DIR}/fuzz/canary_fuzz.cpp penstock_base)
    set_tests_properties(canary_fuzz_corpus PROPERTIES WILL_FAIL TRUE)
  endif()
endfunction()
