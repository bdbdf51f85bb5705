#!lua flags=allow-oom
-- Renews a worker's lease, also in a full Redis (allow-oom): the workers that empty it must not count as
-- dead.
-- KEYS: the lease
-- ARGV: its duration in milliseconds
return redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
