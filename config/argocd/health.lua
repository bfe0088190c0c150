-- Health of the resources of nostrfleet.io for Argo CD, one script for all kinds: it reads the conditions that all have.
-- Argo CD runs it with Lua 5.1 and `obj`, the resource; it returns a status and a sentence. argocd-cm.yaml holds a copy.

local function condition(name)
  local status = obj.status or {}
  for _, found in ipairs(status.conditions or {}) do
    if found.type == name then
      return found
    end
  end
  return {}
end

local function is_true(name)
  return condition(name).status == "True"
end

local function health(status, name, otherwise)
  return { status = status, message = condition(name).message or otherwise }
end

local status = obj.status or {}
local generation = obj.metadata.generation

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "It is being deleted." }
end
if status.observedGeneration == nil or (generation ~= nil and status.observedGeneration ~= generation) then
  return { status = "Progressing", message = "The operator has not seen this change yet." }
end
if is_true("Paused") then
  return health("Suspended", "Paused", "It is paused.")
end
if condition("Ready").reason == "Stopped" then
  return health("Suspended", "Ready", "It is stopped.")
end
if is_true("Stalled") then
  return health("Degraded", "Stalled", "Nothing will move without a human.")
end
if is_true("Reconciling") then
  return health("Progressing", "Reconciling", "Work is in progress.")
end
if is_true("Ready") then
  return health("Healthy", "Ready", "It serves.")
end
return health("Progressing", "Ready", "It is not ready.")
