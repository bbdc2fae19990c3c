-- By idx_credit_pack_purchases_pending: the first entry of the index, and 10,000 of it at most.
SELECT 'oldest_pending_purchase_seconds', '{}'::jsonb,
       COALESCE(extract(epoch FROM now() - min(p.created_at)), 0)::double precision
  FROM public.credit_pack_purchases p WHERE p.status = 'pending'
 UNION ALL
SELECT 'pending_purchases', '{}'::jsonb, count(*)::double precision
  FROM (SELECT FROM public.credit_pack_purchases p WHERE p.status = 'pending' ORDER BY p.created_at LIMIT 10000) AS pending
