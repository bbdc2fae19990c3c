-- That the event t names the user $1, or the customer that the payment platform knows them as.
EXISTS (SELECT FROM pg_catalog.jsonb_path_query(t.payload, 'strict $.** ? (@.type() == "string")') AS said (value)
         WHERE said.value #>> '{}' = $1::pg_catalog.text
            OR said.value #>> '{}' IN (SELECT s.stripe_customer_id FROM public.subscriptions s WHERE s.user_id = $1))
