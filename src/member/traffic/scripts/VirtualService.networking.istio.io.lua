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

local function copy_of(value)
  local copy = {}
  for key, each in pairs(value or {}) do
    copy[key] = each
  end
  return copy
end

-- What a rule does to headers, and what the step does.
local function headers_with(own, added)
  if not (own and added) then
    return own or added
  end
  local headers = copy_of(own)
  headers.request = copy_of(own.request)
  for verb, list in pairs(added.request) do
    local both = copy_of(headers.request[verb])
    for key, each in pairs(list) do
      both[verb == "remove" and #both + 1 or key] = each
    end
    headers.request[verb] = both
  end
  return headers
end

-- Whether no value meets both. Nobody can say that of patterns: then the step's condition counts.
local function contradict(own, added)
  if not added.exact then
    return false
  end
  local other = own.exact and own.exact ~= added.exact
  return other or own.prefix and string.sub(added.exact, 1, #own.prefix) ~= own.prefix
end

-- Whether a request can meet both, and the conditions of both by name.
local function conditions_with(own, added)
  if not (own and added) then
    return true, own or added
  end
  local both = copy_of(own)
  for name, condition in pairs(added) do
    if own[name] and contradict(own[name], condition) then
      return false
    end
    both[name] = condition
  end
  return true, both
end

-- What must hold for those of a rule's requests that match.
local function matches_with(own, match)
  local headers, params = conditions_of(match.headers), conditions_of(match.queryParams)
  local result = {}
  for _, condition in ipairs(own and #own > 0 and own or { {} }) do
    local by_headers, all_headers = conditions_with(condition.headers, headers)
    local by_params, all_params = conditions_with(condition.queryParams, params)
    if by_headers and by_params then
      local both = copy_of(condition)
      both.headers, both.queryParams = all_headers, all_params
      table.insert(result, both)
    end
  end
  return result
end

-- The rule, for those of its requests that match: they go to the new version.
local function rule_for(rule, match)
  local matches = matches_with(rule.match, match)
  if #matches == 0 then
    return nil
  end
  local canary = copy_of(rule)
  canary.name = nil -- unique among the rules
  canary.match = next(matches[1]) and matches or rule.match
  canary.route = { { destination = canary_of(stable_of(rule)) } }
  canary.headers = headers_with(rule.headers, headers_of(obj.requestHeaderModifier))
  return canary
end

-- A match with a path stands alone: which rule it is of nobody says.
local function rule_of_path(match, stable)
  local uri = { [words[match.path.type or "PathPrefix"] or "prefix"] = match.path.value }
  return {
    match = { { uri = uri, headers = conditions_of(match.headers), queryParams = conditions_of(match.queryParams) } },
    route = { { destination = canary_of(stable) } },
    headers = headers_of(obj.requestHeaderModifier),
  }
end

-- Each rule of the stable Service behind those for the new version; what a path matches is in front of all.
local function route_matches()
  local rules, first, made = {}, nil, 0
  local function route(rule)
    local place = #rules + 1
    for _, match in ipairs(obj.matches) do
      local canary = not match.path and rule_for(rule, match)
      if canary then
        table.insert(rules, place, canary)
        made = made + 1
      end
    end
  end
  for _, rule in ipairs(spec.http or {}) do
    local stable = stable_of(rule)
    if stable then
      first = first or stable
      route(rule)
    end
    table.insert(rules, rule)
  end
  if not first then
    first = { host = obj.stableService }
    local others = rules
    rules = {}
    route({ route = { { destination = first } } })
    for _, rule in ipairs(others) do
      table.insert(rules, rule)
    end
  end
  for _, match in ipairs(obj.matches) do
    if match.path then
      table.insert(rules, 1, rule_of_path(match, first))
      made = made + 1
    end
  end
  if made == 0 then
    error("no request to the Service " .. obj.stableService .. " can match: its rules ask for other values", 0)
  end
  spec.http = rules
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
  route_matches()
elseif obj.canaryWeight == -1 then
  divide_all(100, 0)
else
  divide_all(obj.canaryWeight, obj.stableWeight)
end

return obj.data
