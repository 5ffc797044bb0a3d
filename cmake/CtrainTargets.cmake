# How every target of the project is compiled, and the one way to declare a library.

add_library(ctrain_flags INTERFACE)
target_compile_options(ctrain_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -fno-math-errno -fno-trapping-math -ffp-contract=off)
target_compile_definitions(ctrain_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
if(CTRAIN_WERROR)
  target_compile_options(ctrain_flags INTERFACE -Werror)
endif()
if(CTRAIN_SANITIZE)
  target_compile_options(ctrain_flags INTERFACE -fsanitize=${CTRAIN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CTRAIN_SANITIZE})
endif()
if(CTRAIN_BUILD_FUZZERS)
  target_compile_options(ctrain_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CTRAIN_COVERAGE)
  target_compile_options(ctrain_flags INTERFACE --coverage)
  add_link_options(--coverage)
endif()

# Flags of one instruction set go to the files named for it (or to burtorch's ops/, compiled once for each), and to no other.
set(ctrain_simd_flags_avx2 -mavx2 -mfma -mbmi -mbmi2)
# gcc's intrinsics are macros at -O0, and their casts warn there
set(ctrain_simd_flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mbmi -mbmi2 -mprefer-vector-width=512
    $<$<CONFIG:Debug>:-Wno-sign-conversion>)
set(ctrain_simd_flags_vaes ${ctrain_simd_flags_avx512} -maes -mpclmul -mvaes -mvpclmulqdq)
function(ctrain_set_simd_flags)
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    return()
  endif()
  foreach(file IN LISTS ARGN)
    foreach(simd avx2 avx512 vaes)
      if(file MATCHES "_${simd}\\.c$")
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${ctrain_simd_flags_${simd}}")
      endif()
    endforeach()
  endforeach()
endfunction()

# ctrain_library(<name> [DEPENDS <target>…]): lib<archive>.a from src/, public headers from include/, alias ctrain::<name>.
function(ctrain_library name archive)
  cmake_parse_arguments(arg "" "" "DEPENDS;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/*.c")
  list(FILTER sources EXCLUDE REGEX "/src/ops/")
  ctrain_set_simd_flags(${sources})
  add_library(${name} STATIC ${sources})
  add_library(ctrain::${name} ALIAS ${name})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME ${archive} EXPORT_NAME ${name})
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/src")
  target_compile_features(${name} PUBLIC c_std_11)
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS} PRIVATE $<BUILD_INTERFACE:ctrain_flags> ${arg_PRIVATE})
endfunction()
