// Which process has a data folder: its store has a lock, and a fleet in the background has a file with its pid. Reads
// /proc; blocks, so for where no loop runs yet.
#pragma once

#include <sys/types.h>

#include <string>

namespace aviary::playground {

std::string pid_file(std::string const& data_dir);
// What the file says; 0: nothing.
pid_t read_pid(std::string const& data_dir);

// Alive, and one of ours: a pid may have been given to somebody else since.
bool is_aviary(pid_t pid);
// It has been told to end and does so, or has ended and waits for its parent to ask.
bool is_ending(pid_t pid);

// Who has the folder's store open; 0: nobody. A fleet in the foreground leaves no pid file, and a file may outlive its
// process.
pid_t lock_holder(std::string const& data_dir);
// The process that runs on the folder, be it one that is still starting; 0: none.
pid_t running_on(std::string const& data_dir);
// A process that was killed keeps the lock until its last thread has ended, moments after it shows as ended. Waits for
// that, at most ten seconds.
void wait_while_ending(std::string const& data_dir);

}   // namespace aviary::playground
