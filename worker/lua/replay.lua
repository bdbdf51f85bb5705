-- Moves failed jobs to the end of the queue. Concurrent calls for one job move it only once.
-- A replayed job runs, also if workers have died with it: `died` is deleted, `deaths` is kept.
-- KEYS: RQ's failed registry, the queue, RQ's set of queues
-- ARGV: the queue's name, the present time in RQ's format, then the ids
-- Returns for each id: 1 if it was moved, 0 if it is not in the registry, -1 if its hash is missing.
local wrong = wrong_type({'zset', 'list', 'set'})
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
    -- RPUSH first: if the server refuses a later command, the job is still on the queue.
    redis.call('RPUSH', KEYS[2], id)
    redis.call('ZREM', KEYS[1], id)
    redis.call('SADD', KEYS[3], KEYS[2])
    -- The results are deleted, because they would outlive the job; the number of failures is kept.
    local failures = tonumber(redis.call('HGET', job, 'failures')) or 0
    if redis.call('TYPE', results).ok == 'stream' then
      for _, result in ipairs(redis.call('XRANGE', results, '-', '+')) do
        failures = failures + (failure(result[2]) and 1 or 0)
      end
    end
    redis.call('DEL', results)
    redis.call('HDEL', job, 'exc_info', 'ended_at', 'started_at', 'worker_name', 'last_heartbeat', 'died')
    redis.call('HSET', job, 'status', 'queued', 'origin', ARGV[1], 'enqueued_at', ARGV[2],
      'failures', math.max(1, failures))
    redis.call('PERSIST', job)
    answer[#answer + 1] = 1
  end
end
return answer
