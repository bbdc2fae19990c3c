-- Numbers the rows of the ledger, in the order of created_at and id. A refund with a reference belongs to the use with that
-- reference; those without form a stack for each user and operation, read as parentheses: a use opens a level, a refund closes
-- it, and within a level every refund follows the use it gave back. A use without a subscription was free; 0.2.0 marked free
-- uses by ids of UUID version 8.
WITH numbered AS (
    SELECT id, user_id, reference_id,
           pg_catalog.row_number() OVER (ORDER BY created_at, id) AS entry,
           operation LIKE '%\_refund' AS is_refund,
           pg_catalog.regexp_replace(operation, '_refund$', '') AS operation
      FROM public.credit_usage),
levelled AS (
    SELECT *,
           sum(CASE WHEN is_refund THEN -1 ELSE 1 END)
               OVER (PARTITION BY user_id, operation, reference_id ORDER BY entry)
           + is_refund::integer AS level
      FROM numbered),
paired AS (
    SELECT id, entry, is_refund,
           CASE WHEN is_refund THEN lag(entry) OVER siblings
                ELSE lead(entry) OVER siblings END AS other,
           CASE WHEN is_refund THEN lag(is_refund) OVER siblings
                ELSE lead(is_refund) OVER siblings END AS other_is_refund
      FROM levelled
    WINDOW siblings AS (PARTITION BY user_id, operation, reference_id, level ORDER BY entry))
UPDATE public.credit_usage u
   SET entry = p.entry,
       counterpart = CASE WHEN p.other_is_refund <> p.is_refund THEN p.other ELSE 0 END,
       is_free = u.subscription_id IS NULL OR pg_catalog.substr(u.id::text, 15, 1) = '8'
  FROM paired p
 WHERE p.id = u.id
