UPDATE public.evaluations
   SET status = 'error',
       recommendation_text = 'A análise demorou mais do que o esperado e foi interrompida. Tente novamente.'
 WHERE id IN (SELECT id
                FROM public.evaluations
               WHERE status = 'analyzing' AND updated_at < now() - interval '10 minutes'
                 FOR NO KEY UPDATE SKIP LOCKED)
