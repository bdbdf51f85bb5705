-- Corrects one failed job and replays it, in one step: replay.lua follows in the same script. The job must
-- still be in the failed registry, with the data that the caller has read. Its digest remains that of the
-- published event: if the original is published again it is still the same job, and publish.lua keeps the
-- corrected data.
-- KEYS: RQ's failed registry, the queue, RQ's set of queues, the stream of notes
-- ARGV: the queue's name, the present time in RQ's format, the id, the data that the caller has read, the new
-- data, the number of notes that the stream keeps, then the fields and values of the note
-- Returns the same as replay.lua, or -2 if the data has changed.
local wrong = wrong_type({'zset', 'list', 'set', 'stream'})
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
