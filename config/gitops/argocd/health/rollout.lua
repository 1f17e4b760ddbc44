-- Rollout of rollouts.kruise.io, on a hub or in a member: suspended while it waits for a person,
-- degraded when a step has run out of its time, or the release was taken back for that.
local status = obj.status or {}
if status.phase == nil or (status.observedGeneration or 0) < (obj.metadata.generation or 0) then
  return {status = "Progressing", message = status.message or "not looked at yet"}
end
for _, condition in ipairs(status.conditions or {}) do
  local stalled = condition.type == "Stalled" and condition.status == "True"
  local failed = condition.type == "Succeeded" and condition.status == "False" and condition.reason == "ProgressDeadlineExceeded"
  if stalled or failed then
    return {status = "Degraded", message = condition.message or condition.reason}
  end
end
if status.phase == "Healthy" then
  return {status = "Healthy", message = status.message or ""}
end
if status.phase == "Disabled" then
  return {status = "Suspended", message = "spec.disabled"}
end
local strategy = (obj.spec or {}).strategy or {}
if strategy.paused then
  return {status = "Suspended", message = "spec.strategy.paused"}
end
local release = status.blueGreenStatus or status.canaryStatus or {}
if status.phase == "Progressing" and release.currentStepState == "StepPaused" then
  local step = ((strategy.blueGreen or strategy.canary or {}).steps or {})[release.currentStepIndex or 0] or {}
  if (step.pause or {}).duration == nil then
    return {status = "Suspended", message = status.message or "waits for an approval"}
  end
end
return {status = "Progressing", message = status.message or status.phase}
