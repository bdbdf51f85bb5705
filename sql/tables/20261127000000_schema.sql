-- Makes the schema `botlive`. The API does not show it.
--
-- Table files only add: an existing table, column or row stays unchanged. Each file may run again without harm.

create schema if not exists botlive;
comment on schema botlive is 'Botlive Events: internal objects, not visible to the API.';
revoke all on schema botlive from public, anon, authenticated;
grant usage on schema botlive to service_role;
