-- Annotations of a canary Ingress, for the classes whose controllers read them in the way of ingress-nginx.
-- In: obj.annotations as the Ingress has them, obj.weight ("-1": none), obj.matches, obj.canaryService,
-- obj.requestHeaderModifier, obj.classType. Out: all annotations.

local nginx = "nginx.ingress.kubernetes.io/"
local mse = "mse.ingress.kubernetes.io/"
local classes = {
  ["nginx"] = { prefix = nginx },
  ["higress"] = { prefix = nginx },
  ["aliyun-alb"] = { prefix = "alb.ingress.kubernetes.io/", order = "1" },
  ["mse"] = { prefix = nginx, query = mse },
}
local class = classes[obj.classType]
local annotations = obj.annotations or {}

-- A condition that the class has no annotation for would let other requests to the new version than the step says.
local function refuse(what)
  error("Ingress class " .. obj.classType .. " cannot match " .. what, 0)
end

-- The annotations of one condition, as the controllers name them: <name>, <name>-value, <name>-pattern.
local function say(prefix, name, condition)
  if annotations[prefix .. name] then
    refuse("by two conditions of " .. name .. " at once")
  end
  annotations[prefix .. name] = condition.name
  if condition.type == "RegularExpression" then
    annotations[prefix .. name .. "-pattern"] = condition.value
  else
    annotations[prefix .. name .. "-value"] = condition.value
  end
end

local function say_header(header)
  if header.name ~= "canary-by-cookie" then
    return say(class.prefix, "canary-by-header", header)
  end
  if annotations[class.prefix .. "canary-by-cookie"] then
    refuse("by two cookies at once")
  end
  annotations[class.prefix .. "canary-by-cookie"] = header.value
end

local function say_match(match)
  local headers, queries = match.headers or {}, match.queryParams or {}
  if match.path then
    refuse("by path")
  end
  if #queries > 0 and not class.query then
    refuse("by query parameter")
  end
  if #headers + #queries ~= 1 then
    refuse("by other than one header" .. (class.query and " or query parameter" or "") .. " in a match")
  end
  for _, header in ipairs(headers) do
    say_header(header)
  end
  for _, query in ipairs(queries) do
    say(class.query, "canary-by-query", query)
  end
end

-- What an earlier step has said goes.
for _, name in ipairs({ "canary-by-cookie", "canary-by-header", "canary-by-header-pattern", "canary-by-header-value",
                        "canary-by-query", "canary-by-query-pattern", "canary-by-query-value", "canary-weight" }) do
  annotations[class.prefix .. name] = nil
  if class.query then
    annotations[class.query .. name] = nil
  end
end

annotations[class.prefix .. "canary"] = "true"
annotations[class.prefix .. "order"] = class.order or annotations[class.prefix .. "order"]
if obj.weight ~= "-1" then
  annotations[class.prefix .. "canary-weight"] = obj.weight
end
for _, match in ipairs(obj.matches or {}) do
  say_match(match)
end

if obj.classType == "mse" then
  if annotations[mse .. "service-subset"] then
    annotations[mse .. "service-subset"] = "gray"
  end
  local lines = {}
  for _, header in ipairs(obj.requestHeaderModifier and obj.requestHeaderModifier.set or {}) do
    lines[#lines + 1] = header.name .. " " .. header.value
  end
  annotations[mse .. "request-header-control-update"] = #lines > 0 and table.concat(lines, "\n") or nil
end

return annotations
