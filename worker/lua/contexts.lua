-- Reads the trace contexts of jobs, whatever their keys hold. A text that is too long is not read.
-- ARGV: the most bytes of a traceparent and of a tracestate, then the ids
-- Returns for each id its traceparent and its tracestate, empty where there is none.
local function read(id, name, most)
  local key = 'rq:job:' .. id
  local size = redis.pcall('HSTRLEN', key, name)
  return type(size) == 'number' and size > 0 and size <= tonumber(most) and redis.call('HGET', key, name) or ''
end
local answer = {}
for index = 3, #ARGV do
  answer[#answer + 1] = read(ARGV[index], 'traceparent', ARGV[1])
  answer[#answer + 1] = read(ARGV[index], 'tracestate', ARGV[2])
end
return answer
