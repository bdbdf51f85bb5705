"""Projects whose columns have other types than ours: what fits is cast, what cannot is named."""

from tests.zoo.member import ORDERS, TOGGLES, TYPES, Member

_LABELS = "'order', 'message', 'intervention', 'system'"

COLUMNS = (
    Member(
        "enum-activities",
        f"""create type public.activity_type as enum ({_LABELS});
        create type public.activity_status as enum ('success', 'warning', 'info', 'error');
        alter table public.activities drop constraint activities_type_check;
        alter table public.activities alter column status drop default;
        alter table public.activities alter column type type public.activity_type
          using type::public.activity_type;
        alter table public.activities alter column status type public.activity_status
          using status::public.activity_status""",
    ),
    Member(
        "enum-orders-and-sessions",
        """create type public.order_status as enum ('pending', 'completed', 'cancelled');
        create type public.bot_mode as enum ('live', 'rag');
        alter table public.orders alter column status drop default;
        alter table public.orders alter column status type public.order_status
          using status::public.order_status;
        alter table public.bot_sessions alter column mode type public.bot_mode using mode::public.bot_mode""",
    ),
    Member(
        "plain-json",
        """alter table public.activities alter column metadata type json using metadata::json;
        alter table public.orders alter column items type json using items::json;
        alter table public.orders alter column customer_name type varchar(60);
        alter table public.orders alter column total_amount type integer using total_amount::integer""",
    ),
    Member(
        "json-as-text",
        """alter table public.activities alter column metadata type text using metadata::text;
        alter table public.orders add column metadata text;
        alter table public.orders alter column items type text using items::text""",
    ),
    Member(
        "text-ids",
        """alter table public.orders drop constraint orders_company_id_fkey;
        alter table public.activities drop constraint activities_company_id_fkey;
        alter table public.bot_sessions drop constraint bot_sessions_company_id_fkey;
        alter table public.orders alter column id drop default, alter column id type text,
          alter column company_id type text, alter column conversation_id type text;
        alter table public.activities alter column id drop default, alter column id type text,
          alter column company_id type text, alter column conversation_id type varchar(36);
        alter table public.bot_sessions alter column id drop default, alter column id type text,
          alter column company_id type text;
        alter table public.companies alter column id drop default, alter column id type text""",
    ),
    Member(
        "amounts-with-two-places",
        """alter table public.orders alter column total_amount type numeric(10,2);
        alter table public.activities alter column title type varchar(120),
          alter column description type varchar(500)""",
    ),
    Member(
        "amounts-as-floats",
        "alter table public.orders alter column total_amount type double precision",
    ),
    Member(
        "domains",
        """create domain public.amount as numeric check (value >= 0);
        create domain public.label as text check (length(value) < 200);
        alter table public.orders alter column total_amount type public.amount;
        alter table public.activities alter column title type public.label""",
    ),
    Member(
        "times-without-zone",
        """alter table public.orders alter column created_at type timestamp, alter column updated_at type timestamp;
        alter table public.activities alter column created_at type timestamp;
        alter table public.bot_sessions alter column started_at type timestamp,
          alter column ended_at type timestamp, alter column created_at type timestamp;
        do $$ begin execute format('alter database %I set timezone = ''America/New_York''',
          current_database()); end $$""",
    ),
    Member(
        "no-conversation",
        """alter table public.orders drop column conversation_id;
        alter table public.activities drop column conversation_id""",
        named=("added column conversation_id to orders", "added column conversation_id to activities"),
    ),
    Member(
        "columns-that-may-be-empty",
        """alter table public.orders drop column updated_at;
        alter table public.activities drop column metadata, drop column customer_name;
        alter table public.bot_sessions drop column ended_at, drop column created_at""",
        named=("added column metadata to activities", "added column ended_at to bot_sessions"),
    ),
    Member(
        "more-columns",
        """alter table public.orders add column notes text, add column number bigint generated always as identity,
          add column total_with_fee numeric generated always as (total_amount * 1.02) stored;
        alter table public.activities add column seen boolean not null default false""",
    ),
    Member("a-shop-without-a-name", "alter table public.companies drop column name"),
    Member(
        "renamed-column",
        "alter table public.orders rename column total_amount to amount",
        apart=frozenset({ORDERS}),
        blocked="orders.total_amount cannot take an event: found no such column, wanted numeric; cure: "
        "alter table public.orders rename column amount to total_amount;",
    ),
    Member(
        "no-title",
        "alter table public.activities drop column title",
        apart=frozenset(TYPES),
        blocked="activities.title cannot take an event: found no such column",
    ),
    Member(
        "renamed-start",
        "alter table public.bot_sessions rename column started_at to begun_at",
        apart=frozenset({TOGGLES}),
        blocked="cure: alter table public.bot_sessions rename column begun_at to started_at;",
    ),
    Member(
        "number-ids",
        """alter table public.orders drop column id;
        alter table public.orders add column id bigint generated by default as identity primary key""",
        apart=frozenset({ORDERS}),
        blocked="orders.id cannot take an event: found bigint: it does not take the value",
    ),
    Member(
        "number-ids-of-sessions",
        """alter table public.bot_sessions drop column id;
        alter table public.bot_sessions add column id serial primary key""",
        apart=frozenset({TOGGLES}),
        blocked="bot_sessions.id cannot take an event: found integer",
    ),
    Member(
        "items-as-an-array",
        "alter table public.orders drop column items; alter table public.orders add column items integer[]",
        apart=frozenset({ORDERS}),
        blocked="orders.items cannot take an event: found integer[], wanted jsonb",
    ),
    Member(
        "items-as-an-array-of-json",
        "alter table public.orders drop column items; alter table public.orders add column items jsonb[]",
    ),
    Member(
        "columns-that-lose-what-is-said",
        """create type public.about as (event text, zone text);
        alter table public.activities drop column metadata;
        alter table public.activities add column metadata public.about;
        alter table public.orders drop column items;
        alter table public.orders add column items bytea""",
        blocked="activities.metadata cannot take an event: found public.about, wanted jsonb",
        named=("orders.items cannot take an event: found bytea, wanted jsonb",),
    ),
    Member(
        "enum-without-pending",
        """create type public.order_status as enum ('new', 'completed', 'cancelled');
        alter table public.orders alter column status drop default;
        alter table public.orders alter column status type public.order_status using 'new'""",
        apart=frozenset({ORDERS}),
        blocked="alter type public.order_status add value if not exists 'pending';",
    ),
    Member(
        "enum-without-intervention",
        """create type public.activity_type as enum ('order', 'message', 'system');
        alter table public.activities drop constraint activities_type_check;
        alter table public.activities alter column type type public.activity_type
          using type::public.activity_type""",
        apart=frozenset({"payment_issue"}),
        blocked="alter type public.activity_type add value if not exists 'intervention';",
    ),
    Member(
        "ids-that-repeat",
        "alter table public.activities drop constraint activities_pkey",
        apart=frozenset(TYPES),
        blocked="alter table public.activities add primary key (id);",
    ),
    Member(
        "computed-amount",
        """alter table public.orders drop column total_amount;
        alter table public.orders add column total_amount numeric generated always as (1) stored""",
        apart=frozenset({ORDERS}),
        blocked="orders.total_amount cannot take an event: found numeric: a column that computes its own value",
    ),
    Member(
        "another-name-for-the-company",
        "alter table public.orders rename column company_id to shop_id",
        apart=frozenset({ORDERS}),
        blocked="cure: alter table public.orders rename column shop_id to company_id;",
    ),
    Member(
        "camel-case",
        """alter table public.orders rename column company_id to "companyId";
        alter table public.orders rename column customer_name to "customerName";
        alter table public.orders rename column created_at to "createdAt";""",
        apart=frozenset({ORDERS}),
        blocked='alter table public.orders rename column "customerName" to customer_name;',
    ),
    Member(
        "numbers-of-companies",
        "alter table public.orders drop column company_id; alter table public.orders add column company_id bigint",
        apart=frozenset({ORDERS}),
        blocked="orders.company_id cannot take an event: found bigint",
    ),
    Member(
        "a-view-in-place-of-the-table",
        """alter table public.orders rename to sales;
        create view public.orders with (security_invoker = true) as select *, null::jsonb as metadata from public.sales
        where false""",
        apart=frozenset({ORDERS}),
        blocked="orders.* cannot take an event: found a view or a foreign table, wanted a table; cure: give",
    ),
    Member(
        "partitions-by-time",
        """alter table public.orders rename to former; alter table public.former drop constraint orders_pkey;
        create table public.orders (like public.former including defaults, primary key (id, created_at))
          partition by range (created_at);
        create table public.orders_of_now partition of public.orders default""",
        apart=frozenset({ORDERS}),
        blocked="cure: make public.orders anew so that id alone is its key",
    ),
    Member(
        "partitions-by-hash",
        """alter table public.orders rename to former; alter table public.former drop constraint orders_pkey;
        create table public.orders (like public.former including defaults, primary key (id)) partition by hash (id);
        create table public.orders_0 partition of public.orders for values with (modulus 1, remainder 0)""",
    ),
    Member(
        "key-of-two-columns",
        """alter table public.orders drop constraint orders_pkey;
        alter table public.orders add primary key (id, company_id)""",
        apart=frozenset({ORDERS}),
        blocked="cure: alter table public.orders add unique (id);",
    ),
    Member(
        "time-as-a-number",
        """alter table public.orders drop column created_at;
        alter table public.orders add column created_at bigint""",
        apart=frozenset({ORDERS}),
        blocked="cure: give public.orders a column created_at of the type timestamptz",
    ),
    Member(
        "status-as-yes-or-no",
        """alter table public.orders drop column status;
        alter table public.orders add column status boolean default false""",
        apart=frozenset({ORDERS}),
        blocked="alter table public.orders alter column status drop default, alter column status type text",
    ),
    Member(
        "customers-must-have-a-name",
        "alter table public.activities alter column customer_name set default '', alter customer_name set not null",
        apart=frozenset(TYPES) - {ORDERS},
        blocked="(alter table public.activities alter column customer_name drop not null;)",
    ),
    Member(
        "short-names-of-companies",
        "alter table public.companies alter column name type varchar(50)",
    ),
    Member(
        "columns-that-number-their-rows",
        """create sequence public.order_numbers;
        alter table public.orders add column number bigint not null default nextval('public.order_numbers');
        alter table public.activities add column number serial""",
    ),
    Member(
        "configs-of-other-types",
        """delete from public.company_rag_configs;
        alter table public.company_rag_configs add column user_id text;
        insert into public.company_rag_configs (company_id, user_id) values (gen_random_uuid()::text, 'x');
        alter table public.company_rag_configs alter column company_id type uuid using company_id::uuid""",
    ),
    Member(
        "a-clock-of-another-country",
        """do $$ begin
          execute format('alter database %I set datestyle = "SQL, DMY"', current_database());
          execute format('alter database %I set timezone = "Asia/Kathmandu"', current_database());
          execute format('alter database %I set standard_conforming_strings = off', current_database());
        end $$""",
    ),
    Member(
        "companies-made-anew",
        "",
        later="""drop table public.companies cascade;
        create table public.companies (id uuid primary key default gen_random_uuid(), name text, city text not null,
          owner_id uuid)""",
    ),
    Member(
        "made-anew",
        "",
        later="""drop table public.activities cascade; drop table public.bot_sessions cascade;
        create table public.activities (id uuid primary key default gen_random_uuid(),
          company_id uuid references public.companies (id), type text, title text, description text, status text,
          created_at timestamptz default now());
        grant all on public.activities to anon, authenticated""",
        named=("added column metadata to activities", "took row level security"),
    ),
)
