// What a program prints on stdout. Where that cannot be written the program goes on, and says so at its end.
#pragma once

#include <string_view>

namespace aviary::command_line {

void print(std::string_view text);
// A line that goes out at once, as of what takes a while.
void print_line(std::string_view text);
// What is printed goes out. False once something could not be written: whoever prints until stopped has no reader.
bool flush();
// The exit code of the program: 1 where something could not be written, and stderr says why. A reader that has enough
// (`| head`) is no failure.
int finish(int code);

}   // namespace aviary::command_line
