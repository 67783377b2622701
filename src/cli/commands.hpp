// commands.hpp - The commands. Each adds its words to the program, and runs when they have been given.
//
// Looking opens a segment read-only: it counts no hit, raises no frequency and takes no lock. Nothing creates one.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cli/failure.hpp"
#include "cli/output.hpp"

namespace forklore::cli {

/// The program while its words are read. What it is to do is known once all of them are.
struct Program {
  CLI::App& app;
  std::function<Exit(Output&)> run = {};
};

/// Adds a command of the words in a Words, whose add_to() declares them and whose run() does it.
template <class Words>
void add_command(Program& program, const char* name, const char* help) {
  auto words = std::make_shared<Words>();
  CLI::App* command = program.app.add_subcommand(name, help);
  words->add_to(*command);
  command->add_flag("--json", words->json, "answers in JSON, one object a line, all ASCII");
  command->callback([words, &program] { program.run = [words](Output& out) { return words->run(out); }; });
}

void add_list(Program& program);
void add_stats(Program& program);
void add_keys(Program& program);
void add_entry_commands(Program& program);    // get, set, delete
void add_segment_commands(Program& program);  // remove, verify

}  // namespace forklore::cli
