# What `cmake --install` puts in place of the libraries: headers, archives, a CMake package whose components they are, a pkg-config file each.
# The programs, their man pages and completions are installed by tools/CMakeLists.txt.
include(CMakePackageConfigHelpers)

set(ctrain_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ctrain")
file(RELATIVE_PATH ctrain_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" ctrain_pc_prefix "${ctrain_pc_prefix}")

# ctrain_install_library(<target> <pc name> <description> <requires> <libs>)
function(ctrain_install_library target pc description requires libs)
  install(TARGETS ${target} EXPORT ctrain-${target} ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${target}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
          FILES_MATCHING PATTERN "*.h")
  install(EXPORT ctrain-${target} NAMESPACE ctrain:: DESTINATION "${ctrain_package_dir}")
  set(pc_name ${pc})
  set(pc_description "${description}")
  set(pc_requires "${requires}")
  set(pc_libs "${libs}")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/library.pc.in" "${PROJECT_BINARY_DIR}/${pc}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${pc}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

ctrain_install_library(common ctrain_common "Shared layer of ctrain" "" "-lctrain_common -lm -ldl -pthread")
ctrain_install_library(burtorch burtorch "Reverse-mode automatic differentiation" "ctrain_common" "-lburtorch")
ctrain_install_library(ufednl ufednl "Federated Newton methods for logistic regression" "ctrain_common" "-lufednl")
ctrain_install_library(permk_aes permk_aes "Encrypted federated training with PermK and AES" "ctrain_common libcrypto" "-lpermk_aes")
install(FILES "${PROJECT_BINARY_DIR}/common/include/ctrain/version.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/ctrain")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/ctrain-config.cmake.in" "${PROJECT_BINARY_DIR}/ctrain-config.cmake"
                              INSTALL_DESTINATION "${ctrain_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ctrain-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ctrain-config.cmake" "${PROJECT_BINARY_DIR}/ctrain-config-version.cmake"
        DESTINATION "${ctrain_package_dir}")

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")
