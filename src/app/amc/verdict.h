// What the verbs that decide share: undo --fast, the rows of its clusters, and the exit code.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/amc/rows.h"
#include "app/amc/session.h"

namespace aviary::amc {

// undo --fast as the jump that it is.
Result<Flags> as_jump(Flags flags, json::Doc const& rollout, json::Doc const& view,
                      std::vector<std::string> const& chosen);

// As a table, or as the document that -o asks for, or its name; the form has been looked at before. `decision`: where
// it is recorded, if anywhere. False: the document could not be printed, and it has been said why; the table was.
bool print_rows(Session const& session, std::vector<Row> const& rows, std::string const& decision = {});
// Says what a person should know of the targets before it is carried out.
void warn(std::vector<Row> const& rows);
// Says what was not done, and where that is recorded (empty: nowhere); the exit code. With --allow-unreachable clusters
// that are unreachable, or waited for, are no failure.
int conclude(Session const& session, std::vector<Row> const& rows, std::string_view action,
             std::string const& decision = {});
// The end of --dry-run=client: says of each cluster that nothing would be sent to why; the exit code is that of
// carrying it out, were all done that the rows have as done.
int conclude_unsent(Session const& session, std::vector<Row> const& rows, std::string_view action);
// … without a hub: prints first what would be sent, a document for each cluster.
int conclude_printed(Session const& session, std::vector<Row> rows, std::string_view action,
                     std::vector<std::pair<std::string, json::Value>> const& patches);
// Prints the rows of what was sent without a hub, and says what was not done; the exit code. `late`: not all was taken
// up in time.
int conclude_sent(Session const& session, std::vector<Row> const& rows, std::string_view action, bool late);
// The end where no row is a target.
int conclude_nothing(Session const& session, std::vector<Row> const& rows, Asked const& asked,
                     std::string const& rollout);

}   // namespace aviary::amc
