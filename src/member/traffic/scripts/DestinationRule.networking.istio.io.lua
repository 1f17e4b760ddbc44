-- Istio's DestinationRule: a subset for the pods of the new version, which a Rollout labels by patchPodTemplateMetadata.
-- In and out as for a VirtualService, whose destinations name the subset.

local spec = obj.data.spec
spec.subsets = spec.subsets or {}
for _, subset in ipairs(spec.subsets) do
  if subset.name == "canary" then
    return obj.data   -- the user's own
  end
end
table.insert(spec.subsets, { name = "canary", labels = { ["istio.service.tag"] = "gray" } })
return obj.data
