-- Other CHECK constraints of table $1 with the expression of the one called $2, valid ones first.
SELECT other.conname::text, other.convalidated
  FROM pg_catalog.pg_constraint mine
  JOIN pg_catalog.pg_constraint other ON other.conrelid = mine.conrelid AND other.oid <> mine.oid AND other.contype = 'c'
   AND pg_catalog.pg_get_expr(other.conbin, other.conrelid) = pg_catalog.pg_get_expr(mine.conbin, mine.conrelid)
 WHERE mine.conrelid = $1::pg_catalog.regclass AND mine.conname = $2
 ORDER BY other.convalidated DESC
