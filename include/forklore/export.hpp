// export.hpp - What a shared library of Forklore shows to those who are linked with it. All else in it is hidden.
#pragma once

#define FORKLORE_EXPORT [[gnu::visibility("default")]]
