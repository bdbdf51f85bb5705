#!lua flags=allow-oom
-- Claims jobs: moves them from the queue to the started registry, in one atomic step.
--
-- It is fair among shops. From a shop with many waiting jobs only a share is taken at the queue's head. Its
-- other jobs are moved to an overflow queue of this shop, in order and only once. Then the batch is filled
-- from the overflow queues in turn. An event of another shop therefore waits until the jobs in front of it
-- are examined, not until they are persisted. The cost of a flood: for each job that is put off, the script
-- reads its shop.
--
-- KEYS: the queue, RQ's started registry, RQ's set of queues, the list of shops with overflow queues (turn)
-- ARGV: the owner, the most jobs to claim, the most jobs of the queue to examine, the share of one shop, the
-- most bytes of one job's data, the bytes after which a claim is full
-- Returns {kind, id, data, created_at, id, data, created_at, …}. Data that is too large is not read and
-- returned as null.
-- kind is 'batch'; 'suspects' for several suspect jobs; 'alone' for one suspect job, followed by its count of
-- deaths, which is 0 if its last run was not one of them; or 'stock' with the id of a job that RQ itself must
-- run, and which stays on the queue.
local wrong = wrong_type({'list', 'zset', 'set', 'list'})
if wrong then
  return wrong
end
local queue, started, queues, turn = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owner, most, look, share = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local largest, heaviest = tonumber(ARGV[5]), tonumber(ARGV[6])
local answer, weight = {'batch'}, 0
local room = most
-- While overflow queues exist, half of a batch is reserved for them: a queue that is never empty must not
-- block them.
local reserve = redis.call('EXISTS', turn) == 1 and math.floor(most / 2) or 0

local function take(id, job)
  redis.call('ZADD', started, '+inf', id .. ':' .. owner)
  redis.call('HSET', 'rq:job:' .. id, 'status', 'started', 'worker_name', owner)
  answer[#answer + 1] = id
  answer[#answer + 1] = not job.is_large and (job[1] or '')
  answer[#answer + 1] = string.sub(job[11] or '', 1, 40) -- longer ones are no times
  room = room - 1
  weight = weight + #(job[1] or '')
  if weight > heaviest then
    room = 0
  end
end

local function is_large(id)
  local size = redis.pcall('HSTRLEN', 'rq:job:' .. id, 'data')
  return type(size) == 'number' and size > largest
end

local function read(id)
  local large = is_large(id)
  local job = redis.pcall('HMGET', 'rq:job:' .. id, large and 'no data' or 'data', 'suspect', 'deaths',
    'success_callback_name', 'failure_callback_name', 'stopped_callback_name', 'webhooks', 'repeats_left',
    'group_id', 'rate_limit_key', 'created_at', 'died')
  if job.err then -- not a hash: claimed without data, so that the worker sets it aside visibly
    redis.call('DEL', 'rq:job:' .. id)
    return {''}
  end
  job.is_large = large
  return job
end

-- The job was discarded, or another worker has acknowledged it: its hash does not exist.
local function is_gone(id, job)
  return not job[1] and not job[11] and redis.call('EXISTS', 'rq:job:' .. id) == 0
end

-- The job uses a feature that only RQ itself supports: callbacks, webhooks, repeats, groups, rate limits or
-- dependents.
local function is_stock(id, job)
  for field = 4, 10 do
    if job[field] and job[field] ~= '' and job[field] ~= '[]' then
      return true
    end
  end
  return redis.call('EXISTS', 'rq:job:' .. id .. ':dependents') == 1
end

local function overflow(shop)
  return queue .. ':shop:' .. shop
end

-- Returns the company in the data of a job. Two plain searches are faster than one with a pattern.
local marker = '"company_id":"'
local function company(data)
  local _, before = string.find(data, marker, 1, true)
  local after = before and string.find(data, '"', before + 1, true)
  return after and string.sub(data, before + 1, after - 1)
end

-- Per shop: the number of its jobs seen so far, whether it has an overflow queue, and the jobs to put off.
local shops, names = {}, {}
local function seen(id)
  local data = not is_large(id) and redis.pcall('HGET', 'rq:job:' .. id, 'data')
  local name = type(data) == 'string' and company(data) or ''
  local shop = shops[name]
  if not shop then
    -- If the key of its overflow queue has the wrong type, none of its jobs is put off.
    local found = redis.call('TYPE', overflow(name)).ok
    local is_blocked = found ~= 'list' and found ~= 'none'
    shop = {count = 0, has_more = found == 'list', is_blocked = is_blocked, put_off = {}}
    shops[name] = shop
    names[#names + 1] = name
  end
  shop.count = shop.count + 1
  return shop
end

local function put_off()
  for _, name in ipairs(names) do
    local shop = shops[name]
    for first = 1, #shop.put_off, 1000 do
      local last = math.min(first + 999, #shop.put_off)
      redis.call('RPUSH', overflow(name), unpack(shop.put_off, first, last))
    end
    -- The overflow queue may exist without an entry in the turn list, if somebody deleted that list.
    if #shop.put_off > 0 and not (shop.has_more and redis.call('LPOS', turn, name)) then
      redis.call('SADD', queues, overflow(name))
      redis.call('RPUSH', turn, name)
    end
  end
end

-- Takes suspect jobs from the queue's head, and no others. Each one's `suspect` field limits how many may run
-- together.
local function take_suspects()
  local taken, allowed, deaths = 0, most, 0
  while true do
    local id = redis.call('LINDEX', queue, taken)
    local job = id and read(id)
    allowed = math.min(allowed, job and job[2] and math.max(1, tonumber(job[2]) or 1) or 0)
    if taken >= allowed or is_stock(id, job) then
      break
    end
    take(id, job)
    taken, deaths = taken + 1, job[12] and math.floor(tonumber(job[3] or '') or 0) or 0
    redis.call('HDEL', 'rq:job:' .. id, 'died')
  end
  redis.call('LTRIM', queue, taken, -1)
  if taken == 1 then
    answer[1], answer[5] = 'alone', deaths
  elseif taken > 1 then
    answer[1] = 'suspects'
  end
end

local passed, stock = 0, nil
local fits = redis.call('LLEN', queue) <= most and redis.call('EXISTS', turn) == 0
for index, id in ipairs(redis.call('LRANGE', queue, 0, (fits and most or look) - 1)) do
  local shop = not fits and seen(id)
  -- The first job is never put off: it may have been moved here because it must run alone or by RQ.
  if shop and index > 1 and not shop.is_blocked and (shop.has_more or shop.count > share) then
    shop.put_off[#shop.put_off + 1] = id
  else
    local job = read(id)
    if not is_gone(id, job) then
      stock = is_stock(id, job) and id
      if stock or job[2] or room <= reserve then
        break
      end
      take(id, job)
    end
  end
  passed = passed + 1
end
put_off()
redis.call('LTRIM', queue, passed, -1)
if #answer == 1 and stock then
  return {'stock', stock}
elseif #answer == 1 then
  take_suspects()
end
if answer[1] ~= 'batch' then
  return answer
end

local waiting = redis.call('LLEN', turn)
while room > 0 and waiting > 0 do
  local name = redis.call('LINDEX', turn, 0)
  local key = overflow(name)
  local is_list = redis.call('TYPE', key).ok == 'list'
  local ids, left = is_list and redis.call('LPOP', key, math.ceil(room / waiting)) or {}, 0
  for index, id in ipairs(ids) do
    if room <= 0 then -- the claim has reached its limit of bytes
      left = index
      break
    end
    local job = read(id)
    if job[2] or is_stock(id, job) then
      redis.call('LPUSH', queue, id)
    elseif not is_gone(id, job) then
      take(id, job)
    end
  end
  for index = #ids, left > 0 and left or #ids + 1, -1 do
    redis.call('LPUSH', key, ids[index])
  end
  redis.call('LPOP', turn)
  waiting = waiting - 1
  if redis.call('TYPE', key).ok == 'list' then
    redis.call('RPUSH', turn, name)
  else
    redis.call('SREM', queues, key)
  end
end
return answer
