"""Projects whose tables fire functions of their own: what works for the API works for us."""

from tests.zoo.member import ORDERS, TOGGLES, TYPES, Member

_TRIGGER = """
create function public.{name}() returns trigger language plpgsql {options} as $$ begin {body} return new; end $$;
create trigger {name} {when} on public.{table} for each row execute function public.{name}();
"""
_NOTES = """
create table public.notifications (id bigint generated always as identity primary key, body text);
grant all on public.notifications to service_role;
"""
_NOTIFY = "insert into notifications (body) values ('new');"


def _trigger(
    table: str, body: str, *, name: str = "theirs", when: str = "after insert", options: str = ""
) -> str:
    return _TRIGGER.format(name=name, table=table, body=body, when=when, options=options)


TRIGGERS = (
    Member("trigger-on-orders", _NOTES + _trigger("orders", _NOTIFY)),
    Member("trigger-on-activities", _NOTES + _trigger("activities", _NOTIFY, when="before insert or update")),
    Member(
        "trigger-on-sessions",
        _NOTES + _trigger("bot_sessions", _NOTIFY, when="after insert or update or delete"),
    ),
    Member("trigger-on-companies", _NOTES + _trigger("companies", _NOTIFY)),
    Member(
        "constraint-trigger-that-is-deferred",
        f"""{_NOTES}
        create function public.theirs() returns trigger language plpgsql as
          $$ begin {_NOTIFY} return null; end $$;
        create constraint trigger theirs after insert on public.orders deferrable initially deferred
          for each row execute function public.theirs()""",
    ),
    Member(
        "function-in-a-check",
        """create table public.allowed (status text);
        insert into public.allowed values ('pending');
        grant select on public.allowed to service_role;
        create function public.is_allowed(text) returns boolean language sql as
          $$ select exists (select from allowed where status = $1) $$;
        alter table public.orders add check (public.is_allowed(status))""",
    ),
    Member(
        "function-in-a-default",
        """create sequence public.numbers;
        grant usage on public.numbers to service_role;
        create function public.next_number() returns text language sql as
          $$ select 'C-' || nextval('numbers') $$;
        alter table public.orders add column number text not null default public.next_number()""",
    ),
    Member(
        "function-of-an-extension",
        """create schema if not exists extensions;
        grant usage on schema extensions to service_role, authenticated, anon;
        create function extensions.slug(text) returns text language sql as $$ select lower($1) $$;
        alter table public.orders add column slug text;
        """
        + _trigger("orders", "new.slug := slug(new.customer_name);", when="before insert"),
    ),
    Member(
        "definer-trigger",
        "create table public.secrets (body text);"
        + _trigger("orders", "insert into secrets values ('x');", options="security definer"),
    ),
    Member("slow-trigger", _trigger("orders", "perform pg_sleep(0.05);")),
    Member(
        "trigger-that-fails-for-orders",
        _trigger("orders", "perform 1 / 0;"),
        apart=frozenset({ORDERS}),
        blocked="order_completed: a new shop can take no such event: the project's function theirs fails (22012)",
    ),
    Member(
        "trigger-on-a-table-that-is-gone",
        _trigger("orders", "insert into gone values (1);"),
        apart=frozenset({ORDERS}),
        blocked="the project's function theirs fails (42P01)",
    ),
    Member(
        "trigger-without-a-privilege",
        "create table public.audit (body text); revoke all on public.audit from service_role;"
        + _trigger("activities", "insert into audit values ('x');", when="after insert"),
        apart=frozenset(TYPES),
        blocked="the project's function theirs fails (42501)",
    ),
    Member(
        "trigger-that-raises",
        _trigger("bot_sessions", "raise exception 'no sessions here';", when="before insert"),
        apart=frozenset({TOGGLES}),
        blocked="live_toggled: a new shop can take no such event: the project's function theirs fails (P0001)",
    ),
    Member(
        "trigger-with-a-code-of-its-own",
        _trigger("orders", "raise exception using errcode = 'PT403', message = 'quota';"),
        apart=frozenset({ORDERS}),
        blocked="the project's function theirs fails (PT403)",
    ),
    Member(
        "trigger-with-a-code-of-the-server",
        _trigger("orders", "raise exception using errcode = '53400', message = 'too many orders';"),
        apart=frozenset({ORDERS}),
        blocked="the project's function theirs fails (53400)",
    ),
    Member(
        "trigger-with-an-internal-error",
        _trigger("orders", "raise exception using errcode = 'XX000', message = 'no answer';"),
        apart=frozenset({ORDERS}),
        blocked="the project's function theirs fails (XX000)",
    ),
    Member(
        "trigger-that-asks-who-calls",
        _trigger(
            "orders",
            """if auth.role() is distinct from 'service_role'
            or current_setting('request.jwt.claims')::json ->> 'role' is null then raise exception 'no'; end if;""",
        ),
    ),
    Member(
        "trigger-on-companies-that-asks-who-calls",
        _trigger("companies", "perform current_setting('request.jwt.claims', true)::json ->> 'sub';"),
        unnamed=("is not mapped",),
    ),
    Member(
        "trigger-on-many-rows",
        """create function public.theirs() returns trigger language plpgsql as $$ begin
          if (select count(*) from added) > 1 then raise exception 'one by one'; end if; return null; end $$;
        create trigger theirs after insert on public.activities referencing new table as added
          for each statement execute function public.theirs()""",
    ),
    Member(
        "one-pending-order-a-customer",
        """create unique index one_pending on public.orders (company_id, customer_name) where status = 'pending';
        create unique index one_line on public.activities (company_id, title, description, created_at)""",
        later="insert into public.orders (company_id, customer_name) values (%(shop)s, 'Awa')",
        unnamed=("can take no such event",),
    ),
    Member(
        "one-open-session",
        "create unique index one_open on public.bot_sessions (company_id) where ended_at is null",
    ),
    Member(
        "trigger-that-drops-rows",
        """create function public.theirs() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger theirs before insert on public.orders for each row execute function public.theirs()""",
        apart=frozenset({ORDERS}),
        blocked="a trigger or rule on orders drops the row or changes its id or company",
    ),
    Member(
        "trigger-that-gives-its-own-id",
        """create function public.theirs() returns trigger language plpgsql as
        $$ begin new.id := gen_random_uuid(); return new; end $$;
        create trigger theirs before insert on public.orders for each row execute function public.theirs()""",
        apart=frozenset({ORDERS}),
        blocked="a trigger or rule on orders drops the row or changes its id or company",
    ),
    Member(
        "trigger-that-takes-the-company",
        """create function public.theirs() returns trigger language plpgsql as
        $$ begin new.company_id := (auth.jwt() ->> 'company')::uuid; return new; end $$;
        create trigger theirs before insert on public.activities for each row
        when (new.type = 'system') execute function public.theirs()""",
        apart=frozenset({TOGGLES}),
        blocked="a trigger or rule on activities drops the row or changes its id or company",
    ),
    Member(
        "rule-that-drops-rows",
        "create rule theirs as on insert to public.activities where new.type = 'system' do instead nothing",
        apart=frozenset({TOGGLES}),
        blocked="live_toggled: a new shop can take no such event",
    ),
    Member(
        "check-against-interventions",
        """alter table public.activities drop constraint activities_type_check;
        alter table public.activities add constraint kinds check (type in ('order', 'message', 'system'))""",
        apart=frozenset({"payment_issue"}),
        blocked="payment_issue: a new shop can take no such event: the check kinds on activities refuses it",
    ),
    Member(
        "column-that-must-not-be-empty",
        "alter table public.orders add column shift text not null",
        apart=frozenset({ORDERS}),
        blocked="orders.shift must not be empty",
    ),
    Member(
        "foreign-key-to-users",
        """alter table public.orders drop constraint orders_company_id_fkey;
        alter table public.orders add constraint owned foreign key (company_id) references auth.users (id)""",
        apart=frozenset({ORDERS}),
        blocked="the constraint owned on orders refuses it (23503)",
    ),
    Member(
        "foreign-key-to-conversations",
        """create table public.conversations (id uuid primary key);
        grant select on public.conversations to service_role;
        alter table public.orders add foreign key (conversation_id) references public.conversations (id);
        alter table public.activities add foreign key (conversation_id) references public.conversations (id)
          deferrable initially deferred""",
    ),
    Member(
        "one-shop-is-closed",
        _trigger(
            "orders",
            """if new.company_id::text = (select uuid::text from company_mapping
            where company_id = 'boutique-awa') then raise exception 'closed'; end if;""",
        ),
        apart=frozenset({ORDERS}),
        shops=("boutique-awa",),
        named=("order_completed: 1 of 2 shops can take no such event ('boutique-awa' for example)",),
    ),
)
