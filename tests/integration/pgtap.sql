-- The part of pgTAP that our files use, for a server that has no pgTAP: the same names, and lines of TAP.
create temp sequence tap_number;
grant all on sequence tap_number to public;

create function public.plan(integer) returns text language sql as $$ select '1..' || $1 $$;
create function public.finish() returns setof text language sql as $$ select null::text where false $$;

create function public.ok(passed boolean, description text) returns text language sql as $$
  select case when passed then 'ok ' else 'not ok ' end || nextval('tap_number') || ' - ' || description
$$;
create function public."is"(have anyelement, want anyelement, description text) returns text language sql as $$
  select public.ok(have is not distinct from want, description)
$$;
create function public.has_schema(name text) returns text language sql as $$
  select public.ok(to_regnamespace(name) is not null, name)
$$;
create function public.has_table(schema_name name, relation name, description text) returns text language sql as $$
  select public.ok(to_regclass(format('%I.%I', schema_name, relation)) is not null, description)
$$;
create function public.has_column(schema_name name, relation name, column_name name, description text)
returns text language sql as $$
  select public.ok(exists (select from pg_attribute a where a.attrelid = to_regclass(format('%I.%I', schema_name, relation))
    and a.attname = column_name), description)
$$;
create function public.table_privs_are(schema_name name, relation name, person name, wanted text[], description text)
returns text language sql as $$
  select public.ok(wanted = array(
    select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
    where has_table_privilege(person, format('%I.%I', schema_name, relation), p)), description)
$$;
create function public.schema_privs_are(schema_name name, person name, wanted text[], description text)
returns text language sql as $$
  select public.ok(wanted = array(
    select p from unnest(array['CREATE', 'USAGE']) p where has_schema_privilege(person, schema_name, p)), description)
$$;

create function public.rows_of(query text) returns text[] language plpgsql as $$
declare
  made refcursor;
  line record;
  lines text[] := '{}';
begin
  open made for execute query;
  loop
    fetch made into line;
    exit when not found;
    lines := lines || line::text;
  end loop;
  return lines;
end
$$;
create function public.is_empty(query text, description text) returns text language sql as $$
  select public.ok(cardinality(public.rows_of(query)) = 0, description)
$$;
create function public.isnt_empty(query text, description text) returns text language sql as $$
  select public.ok(cardinality(public.rows_of(query)) > 0, description)
$$;
create function public.results_eq(query text, wanted text, description text) returns text language sql as $$
  select public.ok(public.rows_of(query) = public.rows_of(wanted), description)
$$;
create function public.results_eq(query text, wanted anyarray, description text) returns text language sql as $$
  select public.ok(public.rows_of(query) = array(select row(w)::text from unnest(wanted) w), description)
$$;
create function public.throws_ok(query text, code character(5), message text, description text)
returns text language plpgsql as $$
begin
  execute query;
  return public.ok(false, description);
exception when others then
  return public.ok(sqlstate = code, description);
end
$$;
create function public.lives_ok(query text, description text) returns text language plpgsql as $$
begin
  execute query;
  return public.ok(true, description);
exception when others then
  return public.ok(false, description || ': ' || sqlerrm);
end
$$;
