-- Checks the types of the keys before the script changes anything: a wrong type would end it half-way.
local function wrong_type(kinds)
  for index, kind in ipairs(kinds) do
    local found = redis.call('TYPE', KEYS[index]).ok
    if found ~= 'none' and found ~= kind then
      return redis.error_reply('WRONGTYPE ' .. kind .. ' ' .. found .. ' ' .. KEYS[index])
    end
  end
end
