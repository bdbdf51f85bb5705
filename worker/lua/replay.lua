-- Puts failed jobs to the end of the queue. A job is moved once, however many ask for it.
-- KEYS: RQ's failed registry, the queue, RQ's set of queues
-- ARGV: the queue's name, now as RQ writes it, then the ids
-- Returns for each id 1; 0 where it stands not in the registry; -1 where nothing of it is left to run.
local wrong = misfit({'zset', 'list', 'set'})
if wrong then
  return wrong
end
local function failure(fields)
  for index = 1, #fields, 2 do
    if fields[index] == 'type' then
      return fields[index + 1] == '2' or fields[index + 1] == '5' -- rq.results.Result.Type
    end
  end
end

local answer = {}
for index = 3, #ARGV do
  local id = ARGV[index]
  local job, results = 'rq:job:' .. id, 'rq:results:' .. id
  if not redis.call('ZSCORE', KEYS[1], id) then
    answer[#answer + 1] = 0
  elseif redis.call('TYPE', job).ok ~= 'hash' then
    answer[#answer + 1] = -1
  else
    -- The list first: a server that refuses one of these must not leave a job that waits nowhere.
    redis.call('RPUSH', KEYS[2], id)
    redis.call('ZREM', KEYS[1], id)
    redis.call('SADD', KEYS[3], KEYS[2])
    -- The results go, for they would outlive the job; how often it failed stays.
    local failures = tonumber(redis.call('HGET', job, 'failures')) or 0
    if redis.call('TYPE', results).ok == 'stream' then
      for _, result in ipairs(redis.call('XRANGE', results, '-', '+')) do
        failures = failures + (failure(result[2]) and 1 or 0)
      end
    end
    redis.call('DEL', results)
    redis.call('HDEL', job, 'exc_info', 'ended_at', 'started_at', 'worker_name', 'last_heartbeat')
    redis.call('HSET', job, 'status', 'queued', 'origin', ARGV[1], 'enqueued_at', ARGV[2],
      'failures', math.max(1, failures))
    redis.call('PERSIST', job)
    answer[#answer + 1] = 1
  end
end
return answer
