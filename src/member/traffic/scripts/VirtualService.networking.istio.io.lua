-- Istio's VirtualService. In: obj.data (spec, labels, annotations) as it was before the release, obj.canaryWeight
-- (-1: none), obj.stableWeight, obj.matches, obj.stableService, obj.canaryService, obj.requestHeaderModifier.
-- Out: the same as obj.data, routed.

local spec = obj.data.spec
local words = { Exact = "exact", PathPrefix = "prefix", Prefix = "prefix", RegularExpression = "regex" }

-- "web.demo.svc.cluster.local" is the Service web.
local function is_stable(destination)
  return destination ~= nil and string.match(destination.host or "", "^[^.]*") == obj.stableService
end

-- The destination of the rule that is the stable Service.
local function stable_of(rule)
  for _, route in ipairs(rule.route or {}) do
    if is_stable(route.destination) then
      return route.destination
    end
  end
end

-- Where the same Service has both versions, a DestinationRule has a subset for the new one.
local function canary_of(stable)
  if obj.canaryService == obj.stableService then
    return { host = stable.host, port = stable.port, subset = "canary" }
  end
  return { host = obj.canaryService .. string.sub(stable.host, #obj.stableService + 1), port = stable.port }
end

local function headers_of(modifier)
  if not modifier then
    return nil
  end
  local request = {}
  for _, verb in ipairs({ "set", "add" }) do
    for _, header in ipairs(modifier[verb] or {}) do
      request[verb] = request[verb] or {}
      request[verb][header.name] = header.value
    end
  end
  if modifier.remove and #modifier.remove > 0 then
    request.remove = modifier.remove
  end
  return next(request) and { request = request }
end

local function conditions_of(list)
  local conditions = {}
  for _, each in ipairs(list or {}) do
    conditions[each.name] = { [words[each.type or "Exact"] or "exact"] = each.value }
  end
  return next(conditions) and conditions
end

-- A rule in front of the others that sends what matches to the new version.
local function add_match(match, stable)
  local condition = { headers = conditions_of(match.headers), queryParams = conditions_of(match.queryParams) }
  if match.path then
    condition.uri = { [words[match.path.type or "PathPrefix"] or "prefix"] = match.path.value }
  end
  local rule = { route = { { destination = canary_of(stable) } }, headers = headers_of(obj.requestHeaderModifier) }
  if next(condition) then
    rule.match = { condition }
  end
  table.insert(spec.http, 1, rule)
end

-- Divides `share` of 100 as the weights are; what is lost by rounding goes to those that lost most.
local function divide(routes, share)
  local total, lost, left = 0, {}, share
  for _, route in ipairs(routes) do
    total = total + (route.weight or 0)
  end
  for place, route in ipairs(routes) do
    local exact = (total > 0 and (route.weight or 0) / total or 1 / #routes) * share
    route.weight = math.floor(exact + 1e-9)
    left = left - route.weight
    lost[place] = { route = route, by = exact - route.weight, place = place }
  end
  table.sort(lost, function(a, b)
    if math.abs(a.by - b.by) > 1e-9 then
      return a.by > b.by
    end
    return a.place < b.place
  end)
  for each = 1, left do
    lost[each].route.weight = lost[each].route.weight + 1
  end
end

-- Rules that have no match of their own; where there is none, those that have one. TLS rules always have.
local function rules_to_divide(rules)
  local plain, matching = {}, {}
  for _, rule in ipairs(rules or {}) do
    if stable_of(rule) then
      table.insert(rule.match and matching or plain, rule)
    end
  end
  return #plain > 0 and plain or matching
end

local function divide_all(canary, stable)
  local found = false
  for _, protocol in ipairs({ "http", "tcp", "tls" }) do
    for _, rule in ipairs(rules_to_divide(spec[protocol])) do
      local destination = canary_of(stable_of(rule))
      local headers = protocol == "http" and headers_of(obj.requestHeaderModifier) or nil
      divide(rule.route, stable)
      table.insert(rule.route, { destination = destination, weight = canary, headers = headers })
      found = true
    end
  end
  if not found then
    error("no rule of it leads to the Service " .. obj.stableService, 0)
  end
end

if obj.matches then
  spec.http = spec.http or {}
  local stable = { host = obj.stableService }
  for _, rule in ipairs(spec.http) do
    stable = stable_of(rule) or stable
  end
  for _, match in ipairs(obj.matches) do
    add_match(match, stable)
  end
elseif obj.canaryWeight == -1 then
  divide_all(100, 0)
else
  divide_all(obj.canaryWeight, obj.stableWeight)
end

return obj.data
