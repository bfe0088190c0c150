-- usage: lua health_test.lua    (in this directory)
-- Runs health.lua over status documents, as Argo CD does: `obj` is a global, and the script is a chunk that returns.

local chunk = assert(loadfile("health.lua"))
local failures = 0

local function resource(metadata, observed, conditions)
  metadata.name = "town"
  return { kind = "NostrRelay", metadata = metadata, status = { observedGeneration = observed, conditions = conditions } }
end

local ready = { type = "Ready", status = "True", reason = "Serving", message = "Clients are served." }
local not_ready = { type = "Ready", status = "False", reason = "PodsUnavailable", message = "No pod is ready." }
local stopped = { type = "Ready", status = "False", reason = "Stopped", message = "spec.operation is Stopped." }
local reconciling = { type = "Reconciling", status = "True", reason = "RolloutInProgress", message = "A pod is replaced." }
local stalled = { type = "Stalled", status = "True", reason = "InvalidSpec", message = "spec.url is no URL." }
local paused = { type = "Paused", status = "True", reason = "AnnotationSet", message = "The operator keeps its hands off." }
local degraded = { type = "Degraded", status = "True", reason = "ListRejected", message = "guests, line 3: not a public key." }
local not_paused = { type = "Paused", status = "False" }

local cases = {
  { "just applied", { kind = "NostrRelay", metadata = { generation = 1 } }, "Progressing", "not seen" },
  { "an empty status", { kind = "NostrRelay", metadata = { generation = 1 }, status = {} }, "Progressing", "not seen" },
  { "serving", resource({ generation = 2 }, 2, { ready }), "Healthy", "Clients are served." },
  { "changed, not yet seen", resource({ generation = 3 }, 2, { ready }), "Progressing", "not seen" },
  { "deleted while serving", resource({ generation = 2, deletionTimestamp = "2026-11-21T12:00:00Z" }, 2, { ready }), "Progressing", "deleted" },
  { "deleted while stalled", resource({ generation = 2, deletionTimestamp = "2026-11-21T12:00:00Z" }, 2, { stalled }), "Progressing", "deleted" },
  { "rolling", resource({ generation = 2 }, 2, { not_ready, reconciling }), "Progressing", "A pod is replaced." },
  { "serving while rolling", resource({ generation = 2 }, 2, { ready, reconciling }), "Progressing", "A pod is replaced." },
  { "stalled", resource({ generation = 2 }, 2, { not_ready, stalled }), "Degraded", "spec.url is no URL." },
  { "stalled while the old pods serve", resource({ generation = 2 }, 2, { ready, stalled }), "Degraded", "spec.url is no URL." },
  { "stopped", resource({ generation = 2 }, 2, { stopped }), "Suspended", "spec.operation is Stopped." },
  { "paused while serving", resource({ generation = 2 }, 2, { ready, paused }), "Suspended", "hands off" },
  { "not paused", resource({ generation = 2 }, 2, { ready, not_paused }), "Healthy", "Clients are served." },
  { "a list was refused and the last good one serves", resource({ generation = 2 }, 2, { ready, degraded }), "Healthy", "Clients are served." },
  { "not ready, nothing in progress", resource({ generation = 2 }, 2, { not_ready }), "Progressing", "No pod is ready." },
  { "a condition without a message", resource({ generation = 2 }, 2, { { type = "Ready", status = "True" } }), "Healthy", "It serves." },
}

for _, case in ipairs(cases) do
  obj = case[2]
  local said = chunk()
  local right = said.status == case[3] and string.find(said.message, case[4], 1, true)
  if not right then
    failures = failures + 1
    print(string.format("%s: %s, %q instead of %s, %q", case[1], said.status, said.message, case[3], case[4]))
  end
end
print(string.format("health.lua: %d of %d documents judged right", #cases - failures, #cases))
os.exit(failures == 0 and 0 or 1)
