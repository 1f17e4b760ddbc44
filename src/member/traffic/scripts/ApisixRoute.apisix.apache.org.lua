-- APISIX's ApisixRoute: weights among the backends of each rule that leads to the stable Service.
-- In and out as for a VirtualService.

if obj.matches then
  error("an ApisixRoute is divided by weight alone: the step has matches", 0)
end
local canary, stable = obj.canaryWeight, obj.stableWeight
if canary == -1 then
  canary, stable = 100, 0
end

-- Multiplied rather than divided by a hundred: APISIX takes weights of any size, and nothing is lost by rounding.
local found = false
for _, rule in ipairs(obj.data.spec.http or {}) do
  local total, own = 0, nil
  for _, backend in ipairs(rule.backends or {}) do
    local weight = backend.weight or 100
    if backend.serviceName == obj.stableService then
      own = backend
    end
    backend.weight = weight * stable
    total = total + weight
  end
  if own then
    table.insert(rule.backends, {
      serviceName = obj.canaryService,
      servicePort = own.servicePort,
      resolveGranularity = own.resolveGranularity,
      weight = total * canary,
    })
    found = true
  end
end
if not found then
  error("no rule of it leads to the Service " .. obj.stableService, 0)
end
return obj.data
