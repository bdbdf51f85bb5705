#!lua flags=allow-oom
-- Holds a worker's lease. A full Redis must not make the workers count as dead that empty it.
-- KEYS: the lease
-- ARGV: milliseconds
return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
