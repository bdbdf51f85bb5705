#!/bin/sh
# Gives PostgREST's role its password. The image of PostgreSQL runs this once, for an empty database.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$AUTHENTICATOR_PASSWORD" \
  --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" <<'SQL'
alter role authenticator password :'password';
SQL
