# What find_package(forklore) finds after install. Boost and xxHash stay inside the library.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS forklore EXPORT forkloreTargets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/forklore DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT forkloreTargets NAMESPACE forklore:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forklore)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/forkloreConfig.cmake.in
  ${PROJECT_BINARY_DIR}/forkloreConfig.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forklore)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/forkloreConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/forkloreConfig.cmake ${PROJECT_BINARY_DIR}/forkloreConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forklore)
