#!lua flags=allow-oom
-- Gives back the jobs of dead workers. They become suspects: they run without other jobs, in groups of at
-- most the square root of their number. Each further death makes the groups smaller, until each job runs
-- alone. If a worker died while it held only one job, the job's `deaths` is increased and its `died` is set.
-- The next claim deletes `died` and keeps `deaths`, so that a replayed poisonous event runs once more.
-- KEYS: the queue, RQ's started registry, RQ's set of queues
-- ARGV: the prefix of our owners, the prefix of their leases
-- Returns the number of recovered jobs.
local wrong = wrong_type({'list', 'zset', 'set'})
if wrong then
  return wrong
end
local held, order = {}, {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[2], '+inf', '+inf', 'BYSCORE')) do
  local id, owner = string.match(member, '^(.*):(.-)$')
  if owner and string.sub(owner, 1, #ARGV[1]) == ARGV[1] then
    if held[owner] == nil then
      held[owner] = redis.call('EXISTS', ARGV[2] .. owner) == 0 and {} or false
      order[#order + 1] = owner
    end
    if held[owner] then
      table.insert(held[owner], id)
    end
  end
end
local recovered = 0
for _, owner in ipairs(order) do
  local ids = held[owner] or {}
  local few = math.max(1, math.floor(math.sqrt(#ids)))
  for index = #ids, 1, -1 do
    local id = ids[index]
    local job = 'rq:job:' .. id
    redis.call('ZREM', KEYS[2], id .. ':' .. owner)
    local status = redis.pcall('HGET', job, 'status')
    if type(status) == 'table' then -- an error reply: not a hash; a claim sets it aside
      redis.call('LPUSH', KEYS[1], id)
    elseif status == 'started' then
      redis.call('LPUSH', KEYS[1], id)
      local before = tonumber(redis.call('HGET', job, 'suspect') or '') or few
      redis.call('HSET', job, 'status', 'queued', 'suspect', math.max(1, math.min(before, few)))
      if #ids == 1 then
        local deaths = tonumber(redis.call('HGET', job, 'deaths') or '') or 0
        redis.call('HSET', job, 'deaths', deaths + 1, 'died', '1')
      end
      redis.call('SADD', KEYS[3], KEYS[1])
      recovered = recovered + 1
    end
  end
end
return recovered
