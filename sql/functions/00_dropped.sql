-- Drops the functions of earlier releases that no longer exist. Add a line here when you remove a function.
--
-- One function of release 0.1, `botlive.narrow`, is dropped at the end of 60_bring_up.sql.

drop view if exists botlive.shops; -- 0.1; now a function

-- 0.1
drop function if exists public.botlive_persist(jsonb);
drop function if exists botlive.parse_events(jsonb);
drop function if exists botlive.refuse_foreign_rows(jsonb);
drop function if exists botlive.is_well(jsonb);
drop function if exists botlive.rehearse(jsonb, uuid); -- its result has another type now: 44_rehearsals.sql
drop function if exists botlive.has_policy(regclass, "char");
drop function if exists botlive.lets_strangers_in(text, text);
drop function if exists botlive.lets_strangers_in(regclass, text, text);

-- before 0.2.0
drop function if exists botlive.check_rows(botlive.arrival[]);
drop function if exists botlive.give_back_policies(timestamptz);
drop function if exists botlive.lets_strangers_in(regclass, text, text, jsonb, jsonb);
drop function if exists botlive.open_functions();
drop function if exists botlive.open_views();
drop function if exists botlive.opens_by(pg_catalog.pg_policy, text);
drop function if exists botlive.own_company(text, uuid);
drop function if exists botlive.wide_policies();
