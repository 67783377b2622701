// forklore - Looks into segments and changes entries. Exit code 0: done; 1: not there or refused; 2: wrong words.
#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <forklore/open_error.hpp>
#include <iostream>

#include "cli/commands.hpp"
#include "cli/target.hpp"

namespace forklore::cli {
namespace {

constexpr const char* kHelp =
    "Looks into Forklore's segments and changes their entries.\n"
    "Exit code 0: done; 1: not there, or refused; 2: the words make no sense.\n"
    "After -- no word is an option: forklore set -- NAME KEY -5";

int complain(const std::string& why, Exit exit) {
  std::cerr << "forklore: " << why << '\n';
  return static_cast<int>(exit);
}

int run(const Program& program) {
  Output out;
  const auto complain_after = [&out](const std::string& why, Exit exit) {
    out.end();
    return complain(why, exit);
  };
  try {
    const Exit exit = program.run(out);
    out.flush();
    return static_cast<int>(exit);
  } catch (const Failure& failure) {
    return complain_after(failure.what(), failure.exit);
  } catch (const OpenError& error) {
    return complain_after(said(error), Exit::refused);
  } catch (const std::exception& error) {
    return complain_after(escaped(error.what()), Exit::refused);
  }
}

bool knows(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == word) return true;
  }
  return false;
}

int run(int argc, char** argv) {
  CLI::App app{kHelp, "forklore"};
  app.set_version_flag("--version", "forklore " FORKLORE_VERSION);
  app.require_subcommand(1);
  Program program{app};
  add_list(program);
  add_stats(program);
  add_keys(program);
  add_entry_commands(program);
  add_segment_commands(program);
  if (argc > 1 && *argv[1] != '-' && !knows(app, argv[1])) {
    return complain("there is no command " + escaped(argv[1]) + "; --help lists them", Exit::wrong_words);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help or --version was asked for
    return complain(escaped(error.what()) + "; --help says more", Exit::wrong_words);
  }
  return run(program);
}

}  // namespace
}  // namespace forklore::cli

int main(int argc, char** argv) {
  // Python, which may have started this, ignores it. A reader that has seen enough ends the program without a word.
  std::signal(SIGPIPE, SIG_DFL);
  return forklore::cli::run(argc, argv);
}
