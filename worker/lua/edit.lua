-- Corrects one failed job and replays it, in one step: replay.lua follows this in the same script. Only what
-- still stands in the failed registry, as it was read. Its digest stays that of what was published: another
-- delivery of that is still the same event, and publish.lua leaves the corrected data as it is.
-- KEYS: RQ's failed registry, the queue, RQ's set of queues, the stream of notes
-- ARGV: the queue's name, now as RQ writes it, the id, its data as it was read, the new data, how many notes
-- the stream keeps, then the note's fields and values
-- Returns as replay.lua, or -2 where the data is another by now.
local wrong = misfit({'zset', 'list', 'set', 'stream'})
if wrong then
  return wrong
end
local edited = 'rq:job:' .. ARGV[3]
if not redis.call('ZSCORE', KEYS[1], ARGV[3]) then
  return {0}
end
if redis.call('TYPE', edited).ok ~= 'hash' then
  return {-1}
end
if redis.call('HGET', edited, 'data') ~= ARGV[4] then
  return {-2}
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', unpack(ARGV, 7))
redis.call('HSET', edited, 'data', ARGV[5])
local ARGV = {ARGV[1], ARGV[2], ARGV[3]}
