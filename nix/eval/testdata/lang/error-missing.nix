# fails: a suggestion
{ services.postgresql.port = 1; }.services.postgresq.port
