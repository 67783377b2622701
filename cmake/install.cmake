# What find_package(forklore) and pkg-config find after install. Boost and xxHash stay inside the library.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS forklore EXPORT forkloreTargets)
if(FORKLORE_CLI)
  install(TARGETS forklore_cli)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/forklore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT forkloreTargets NAMESPACE forklore:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forklore)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/forkloreConfig.cmake.in
  ${PROJECT_BINARY_DIR}/forkloreConfig.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forklore)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/forkloreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/forkloreConfig.cmake ${PROJECT_BINARY_DIR}/forkloreConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forklore)

# For pkg-config. The paths go from the file, as --prefix may be given at install.
set(FORKLORE_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
set(FORKLORE_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
file(RELATIVE_PATH FORKLORE_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" FORKLORE_PREFIX_FROM_PC "${FORKLORE_PREFIX_FROM_PC}")
foreach(name LIBDIR INCLUDEDIR)
  if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_${name}}")
    set(FORKLORE_PC_${name} "\${prefix}/${CMAKE_INSTALL_${name}}")
  endif()
endforeach()
if(NOT BUILD_SHARED_LIBS)
  set(FORKLORE_PC_STATIC " -pthread")  # there is no other to choose, so that --static may be left out
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/forklore.pc.in ${PROJECT_BINARY_DIR}/forklore.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/forklore.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
