# fastnn_add_ops(target folder): adds every operation of folder/ops.inc to the target.
#
# An operation <op> is all of folder/<op>/*.cc; of the files <op>_<isa>.cc only those for instruction sets of the target
# processor, each of them, and they alone, compiled with that instruction set's flags.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(FASTNN_ISAS scalar avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(FASTNN_ISAS scalar neon)
else()
  set(FASTNN_ISAS scalar)
endif()

set(FASTNN_FLAGS_scalar "")
# Beside others it is for CPUs of before 2013: small comes before fast. Sanitized, -Os takes GCC 12 ten times as long.
if(NOT FASTNN_ISAS STREQUAL "scalar" AND NOT FASTNN_SANITIZE)
  set(FASTNN_FLAGS_scalar $<$<CONFIG:Release>:-Os>)
endif()
set(FASTNN_FLAGS_avx2 -mavx2 -mfma)
set(FASTNN_FLAGS_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
                       -Wno-maybe-uninitialized -Wno-uninitialized)  # GCC 12 finds them in its own immintrin.h
set(FASTNN_FLAGS_neon "")

function(fastnn_add_ops target folder)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/ops.inc)
  file(STRINGS ${folder}/ops.inc lines REGEX "^FASTNN_OP\\([a-z0-9_]+\\)")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^FASTNN_OP\\(([a-z0-9_]+)\\).*" "\\1" op ${line})
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/${op}/*.cc)
    list(FILTER sources EXCLUDE REGEX "_(scalar|avx2|avx512|neon)\\.cc$")
    target_sources(${target} PRIVATE ${sources})
    foreach(isa IN LISTS FASTNN_ISAS)
      set(source ${folder}/${op}/${op}_${isa}.cc)
      if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
        target_sources(${target} PRIVATE ${source})
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${FASTNN_FLAGS_${isa}}")
      endif()
    endforeach()
  endforeach()
endfunction()
