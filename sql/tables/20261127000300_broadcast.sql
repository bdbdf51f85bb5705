-- Makes the counter of statements that could not be broadcast.

create sequence if not exists botlive.broadcasts_failed;
comment on sequence botlive.broadcasts_failed is
  'Counts the statements that could not be broadcast. A sequence needs no lock and is never rolled back.';
revoke all on sequence botlive.broadcasts_failed from public, anon, authenticated, service_role;
