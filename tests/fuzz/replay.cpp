// Runs a fuzz target on files of input, each named or in a directory named, where there is no libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

void run(const fs::path& path) {
  std::printf("%s\n", path.filename().c_str());
  std::fflush(stdout);  // the last line names the input that did not come back
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  unsigned inputs = 0;
  for (int i = 1; i < count; ++i) {
    if (!fs::is_directory(arguments[i])) {
      run(arguments[i]);
      ++inputs;
      continue;
    }
    for (const auto& entry : fs::directory_iterator(arguments[i])) {
      run(entry.path());
      ++inputs;
    }
  }
  std::printf("%u inputs\n", inputs);
  return inputs == 0 ? 1 : 0;
}
