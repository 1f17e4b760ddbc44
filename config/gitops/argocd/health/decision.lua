-- Decision of fleet.aviary.dev: healthy when it has been carried out in every cluster that it names.
local status = obj.status or {}
local words = {}
for _, row in ipairs(status.clusters or {}) do
  words[#words + 1] = row.cluster .. " " .. row.outcome
end
local message = table.concat(words, ", ")
if status.outcome == "Applied" then
  return {status = "Healthy", message = message}
end
if status.outcome == "Partial" or status.outcome == "Failed" or status.outcome == "Expired" then
  return {status = "Degraded", message = status.outcome .. ": " .. message}
end
return {status = "Progressing", message = message}
