-- Before anything is changed: a key of another type would end the script half-way.
local function misfit(kinds)
  for index, kind in ipairs(kinds) do
    local found = redis.call('TYPE', KEYS[index]).ok
    if found ~= 'none' and found ~= kind then
      return redis.error_reply('WRONGTYPE ' .. kind .. ' ' .. found .. ' ' .. KEYS[index])
    end
  end
end
