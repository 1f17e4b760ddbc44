-- BatchRelease of rollouts.kruise.io: what a Rollout makes in its cluster; nobody has to commit one.
local status = obj.status or {}
if status.phase == "Completed" then
  return {status = "Healthy", message = status.message or ""}
end
local troubles = {"CrashLooping", "ImagePullFailed", "PodFailed"}
for _, trouble in ipairs(troubles) do
  if string.sub(status.message or "", 1, string.len(trouble)) == trouble then
    return {status = "Degraded", message = status.message}
  end
end
return {status = "Progressing", message = status.message or status.phase or "not looked at yet"}
