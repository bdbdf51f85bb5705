-- Tells a reader which failed jobs have changed since it read them. It reads no event.
-- ARGV: the ids
-- Returns for each id a text that is another one as soon as what is shown of the failed job has changed: its hash
-- is gone, it failed once more, or a customer's data was erased from it.
local answer = {}
for index, id in ipairs(ARGV) do
  local job, results = 'rq:job:' .. id, 'rq:results:' .. id
  local kind, failures, erased, last = redis.call('TYPE', job).ok, '', '', ''
  if kind == 'hash' then
    failures, erased = unpack(redis.call('HMGET', job, 'failures', 'erased'))
  end
  if redis.call('TYPE', results).ok == 'stream' then
    local newest = redis.call('XREVRANGE', results, '+', '-', 'COUNT', 1)[1]
    last = newest and newest[1] or ''
  end
  answer[index] = table.concat({kind, failures or '', erased or '', last}, ' ')
end
return answer
