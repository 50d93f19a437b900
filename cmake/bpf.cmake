# penstock_bpf(layer)
#
# Each src/LAYER/x.bpf.c becomes an object for the kernel's BPF machine and a header, x.skel.h, that
# has the object's bytes and a type for it; so the program carries them and reads no file. The header
# is found as "x.skel.h" by that layer alone.
find_program(PENSTOCK_BPFTOOL bpftool PATHS /usr/sbin REQUIRED)
find_program(PENSTOCK_BPF_CLANG clang-19 clang REQUIRED)

function(penstock_bpf layer)
  set(folder ${CMAKE_SOURCE_DIR}/src/${layer})
  set(out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  # The registers of a function's arguments, for kprobes.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(target_arch arm64)
  else()
    set(target_arch x86)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.bpf.c)
  file(GLOB shared CONFIGURE_DEPENDS ${folder}/*.bpf.h)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    # -g: libbpf fits the program to the running kernel by its type information (BTF). The second
    # step keeps that and drops DWARF, which is nine tenths of the object.
    add_custom_command(
      OUTPUT ${out}/${name}.skel.h
      COMMAND ${PENSTOCK_BPF_CLANG} -O2 -g -Wall -Wextra -Wno-unused-parameter -target bpf
        -D__TARGET_ARCH_${target_arch} -iquote ${CMAKE_SOURCE_DIR}/src
        -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
        -c ${source} -o ${out}/${name}.full.o
      COMMAND ${PENSTOCK_BPFTOOL} gen object ${out}/${name}.o ${out}/${name}.full.o
      COMMAND ${CMAKE_COMMAND} -E echo "// NOLINTBEGIN" > ${out}/${name}.skel.h
      COMMAND ${PENSTOCK_BPFTOOL} gen skeleton ${out}/${name}.o name ${name}_bpf
        >> ${out}/${name}.skel.h
      COMMAND ${CMAKE_COMMAND} -E echo "// NOLINTEND" >> ${out}/${name}.skel.h
      DEPENDS ${source} ${shared} ${folder}/shared.h
      COMMENT "Building BPF object ${name}"
      VERBATIM)
    list(APPEND skeletons ${out}/${name}.skel.h)
  endforeach()
  target_sources(penstock_${layer} PRIVATE ${skeletons})
  # By itself for the linter, which compiles nothing and has to find them.
  add_custom_target(penstock_skeletons DEPENDS ${skeletons})
  # As a system header, and nothing for the linter: what bpftool writes does not follow our rules.
  target_include_directories(penstock_${layer} SYSTEM PRIVATE ${out})
endfunction()
