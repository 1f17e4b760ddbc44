-- FleetBinding and ClusterFleetBinding of fleet.aviary.dev: healthy when every cluster carries the object.
local conditions = {}
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  conditions[condition.type] = condition
end
local guarded, applied = conditions.Guarded, conditions.Applied
if guarded ~= nil and guarded.status == "False" then
  return {status = "Degraded", message = guarded.reason .. ": " .. (guarded.message or "")}
end
if applied ~= nil and applied.status == "True" then
  return {status = "Healthy", message = applied.message or ""}
end
if applied ~= nil and applied.reason == "NotPlaced" then
  return {status = "Degraded", message = applied.message or ""}
end
return {status = "Progressing", message = (applied or {}).message or "not looked at yet"}
