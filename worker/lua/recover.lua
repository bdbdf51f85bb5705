#!lua flags=allow-oom
-- Gives back what dead workers held. From then on these jobs are run apart from others, as few together as
-- the square root of how many there were: after another death fewer still, in the end each alone. A death
-- with one job alone in hand is counted against it. The count stays; that it just died is forgotten at the
-- next run, so that a person's replay of a poisonous event runs it once more.
-- KEYS: the queue, RQ's started registry, RQ's set of queues
-- ARGV: the prefix of our owners, the prefix of their leases
local wrong = misfit({'list', 'zset', 'set'})
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
    if type(status) == 'table' then -- an error: no hash, which a claim sets aside
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
