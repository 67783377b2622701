// Under AddressSanitizer a test of very many calls takes ten times as long: it makes fewer of them there.
#pragma once

namespace forklore::tests {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

}  // namespace forklore::tests
