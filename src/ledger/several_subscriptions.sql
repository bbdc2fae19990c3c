-- Users with more than one subscription.
SELECT pg_catalog.format('user %s has %s subscriptions: keep one, and delete the others', user_id, count(*))
  FROM public.subscriptions
 GROUP BY user_id
HAVING count(*) > 1
 ORDER BY user_id
