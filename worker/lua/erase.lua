#!lua flags=allow-oom
-- Replaces the data of a job, in any state, if it is still the data that the caller has read. The job's id, its
-- state and its place in the lists stay. Its digest remains that of the published event.
-- KEYS: the job's hash, the stream with its results
-- ARGV: the data that the caller has read, the new data, then the ids of results and their new texts
-- Returns 1, 0 if the job no longer exists, or -2 if the data has changed.
local wrong = wrong_type({'hash', 'stream'})
if wrong then
  return wrong
end
local found = redis.call('HGET', KEYS[1], 'data')
if not found then
  return 0
end
if found ~= ARGV[1] then
  return -2
end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
redis.call('HDEL', KEYS[1], 'exc_info')
redis.call('HINCRBY', KEYS[1], 'erased', 1) -- a reader that remembers the job reads it again (versions.lua)
local texts = {}
for index = 3, #ARGV, 2 do
  texts[ARGV[index]] = ARGV[index + 1]
end
if next(texts) then
  local entries, lifetime = redis.call('XRANGE', KEYS[2], '-', '+'), redis.call('PTTL', KEYS[2])
  redis.call('DEL', KEYS[2])
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    for index = 1, #fields, 2 do
      if fields[index] == 'exc_string' and texts[entry[1]] then
        fields[index + 1] = texts[entry[1]]
      end
    end
    redis.call('XADD', KEYS[2], entry[1], unpack(fields))
  end
  if lifetime > 0 then
    redis.call('PEXPIRE', KEYS[2], lifetime)
  end
end
return 1
