-- 017 Resin catalog: every shade that can be bought, by which protocols are
-- checked, and the shades a dentist has in the drawer.

----------------------------------------------------------- resin_catalog --

CREATE TABLE IF NOT EXISTS public.resin_catalog (
    id            uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    brand         text         NOT NULL,
    product_line  text         NOT NULL,
    shade         text         NOT NULL,
    type          text         NOT NULL,
    opacity       text         NOT NULL,
    created_at    timestamptz            DEFAULT now()
);

SELECT auria.ensure_unique('public.resin_catalog', 'resin_catalog_brand_product_line_shade_key',
    '{brand, product_line, shade}');

SELECT auria.ensure_index('public.resin_catalog', 'idx_resin_catalog_brand_product', '(brand, product_line)');
SELECT auria.ensure_index('public.resin_catalog', 'idx_resin_catalog_product_line', '(product_line)');

ALTER TABLE public.resin_catalog ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.resin_catalog FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT ON TABLE public.resin_catalog TO anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.resin_catalog TO service_role;

DROP POLICY IF EXISTS resin_catalog_select_public ON public.resin_catalog;
CREATE POLICY resin_catalog_select_public ON public.resin_catalog
    FOR SELECT TO anon, authenticated
    USING (true);

COMMENT ON TABLE public.resin_catalog IS 'Shades on the market, by brand and product line; also stains and adhesives';
COMMENT ON COLUMN public.resin_catalog.product_line IS 'What the brand calls this family of shades';
COMMENT ON COLUMN public.resin_catalog.shade IS 'As printed on the syringe';
COMMENT ON COLUMN public.resin_catalog.type IS 'What the shade imitates or does: Body, Esmalte, Dentina, Efeito and so on';
COMMENT ON COLUMN public.resin_catalog.opacity IS 'muito_baixa, baixa, media, alta or muito_alta';

INSERT INTO public.resin_catalog (brand, product_line, shade, type, opacity)
VALUES
    ('3M',       'Filtek Z350 XT',       'A1B',          'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'A2B',          'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'A3.5B',        'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'A3B',          'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'B1B',          'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'B2B',          'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'WB',           'Body',        'media'),
    ('3M',       'Filtek Z350 XT',       'A1D',          'Dentina',     'alta'),
    ('3M',       'Filtek Z350 XT',       'A2D',          'Dentina',     'alta'),
    ('3M',       'Filtek Z350 XT',       'A3D',          'Dentina',     'alta'),
    ('3M',       'Filtek Z350 XT',       'A4D',          'Dentina',     'alta'),
    ('3M',       'Filtek Z350 XT',       'B1D',          'Dentina',     'alta'),
    ('3M',       'Filtek Z350 XT',       'A1E',          'Esmalte',     'baixa'),
    ('3M',       'Filtek Z350 XT',       'A2E',          'Esmalte',     'baixa'),
    ('3M',       'Filtek Z350 XT',       'A3E',          'Esmalte',     'baixa'),
    ('3M',       'Filtek Z350 XT',       'B1E',          'Esmalte',     'baixa'),
    ('3M',       'Filtek Z350 XT',       'B2E',          'Esmalte',     'baixa'),
    ('3M',       'Filtek Z350 XT',       'WE',           'Esmalte',     'baixa'),
    ('3M',       'Filtek Z350 XT',       'OA1',          'Opaco',       'muito_alta'),
    ('3M',       'Filtek Z350 XT',       'OA2',          'Opaco',       'muito_alta'),
    ('3M',       'Filtek Z350 XT',       'OA3',          'Opaco',       'muito_alta'),
    ('3M',       'Filtek Z350 XT',       'OA3.5',        'Opaco',       'muito_alta'),
    ('3M',       'Filtek Z350 XT',       'BT',           'Translucido', 'muito_baixa'),
    ('3M',       'Filtek Z350 XT',       'CT',           'Translucido', 'muito_baixa'),
    ('3M',       'Filtek Z350 XT',       'GT',           'Translucido', 'muito_baixa'),
    ('3M',       'Filtek Z350 XT',       'WT',           'Translucido', 'muito_baixa'),
    ('3M',       'Filtek Z350 XT',       'YT',           'Translucido', 'muito_baixa'),

    ('FGM',      'Vittra APS',           'DA1',          'Dentina',     'alta'),
    ('FGM',      'Vittra APS',           'DA2',          'Dentina',     'alta'),
    ('FGM',      'Vittra APS',           'DA3',          'Dentina',     'alta'),
    ('FGM',      'Vittra APS',           'EA1',          'Esmalte',     'baixa'),
    ('FGM',      'Vittra APS',           'EA2',          'Esmalte',     'baixa'),
    ('FGM',      'Vittra APS',           'INC',          'Esmalte',     'baixa'),
    ('FGM',      'Vittra APS',           'T-Neutral',    'Translucido', 'muito_baixa'),
    ('FGM',      'Vittra APS',           'Trans',        'Translucido', 'muito_baixa'),
    ('FGM',      'Vittra APS',           'A1',           'Universal',   'media'),
    ('FGM',      'Vittra APS',           'A2',           'Universal',   'media'),
    ('FGM',      'Vittra APS',           'A3',           'Universal',   'media'),

    ('Ivoclar',  'IPS Empress Direct',   'A1 Dentin',    'Dentina',     'alta'),
    ('Ivoclar',  'IPS Empress Direct',   'A2 Dentin',    'Dentina',     'alta'),
    ('Ivoclar',  'IPS Empress Direct',   'A3 Dentin',    'Dentina',     'alta'),
    ('Ivoclar',  'IPS Empress Direct',   'BL-XL Dentin', 'Dentina',     'alta'),
    ('Ivoclar',  'IPS Empress Direct',   'D BL-L',       'Dentina',     'alta'),
    ('Ivoclar',  'IPS Empress Direct',   'A1 Enamel',    'Esmalte',     'baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'A2 Enamel',    'Esmalte',     'baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'A3 Enamel',    'Esmalte',     'baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'BL-L',         'Esmalte',     'baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'BL-XL Enamel', 'Esmalte',     'baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'Opaque Brown', 'Opaco',       'muito_alta'),
    ('Ivoclar',  'IPS Empress Direct',   'Opaque White', 'Opaco',       'muito_alta'),
    ('Ivoclar',  'IPS Empress Direct',   'Opal',         'Translucido', 'muito_baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'Trans 20',     'Translucido', 'muito_baixa'),
    ('Ivoclar',  'IPS Empress Direct',   'Trans 30',     'Translucido', 'muito_baixa'),

    ('Kulzer',   'Venus Diamond',        'OL',           'Opaco',       'muito_alta'),
    ('Kulzer',   'Venus Diamond',        'OM',           'Opaco',       'muito_alta'),
    ('Kulzer',   'Venus Diamond',        'CL',           'Translucido', 'muito_baixa'),
    ('Kulzer',   'Venus Diamond',        'CM',           'Translucido', 'muito_baixa'),
    ('Kulzer',   'Venus Diamond',        'A1',           'Universal',   'media'),
    ('Kulzer',   'Venus Diamond',        'A2',           'Universal',   'media'),
    ('Kulzer',   'Venus Diamond',        'A3',           'Universal',   'media'),
    ('Kulzer',   'Venus Diamond',        'A3.5',         'Universal',   'media'),
    ('Kulzer',   'Venus Diamond',        'B1',           'Universal',   'media'),

    ('SDI',      'Aura',                 'DC1',          'Dentina',     'alta'),
    ('SDI',      'Aura',                 'DC2',          'Dentina',     'alta'),
    ('SDI',      'Aura',                 'EC1',          'Esmalte',     'baixa'),
    ('SDI',      'Aura',                 'EC2',          'Esmalte',     'baixa'),
    ('SDI',      'Aura',                 'A1',           'Universal',   'media'),
    ('SDI',      'Aura',                 'A2',           'Universal',   'media'),
    ('SDI',      'Aura',                 'A3',           'Universal',   'media'),
    ('SDI',      'Aura',                 'A3.5',         'Universal',   'media'),
    ('SDI',      'Aura',                 'B1',           'Universal',   'media'),

    ('Shofu',    'Beautifil II',         'Inc',          'Translucido', 'muito_baixa'),
    ('Shofu',    'Beautifil II',         'Trans',        'Translucido', 'muito_baixa'),
    ('Shofu',    'Beautifil II',         'A1',           'Universal',   'media'),
    ('Shofu',    'Beautifil II',         'A2',           'Universal',   'media'),
    ('Shofu',    'Beautifil II',         'A3',           'Universal',   'media'),
    ('Shofu',    'Beautifil II',         'A3.5',         'Universal',   'media'),
    ('Shofu',    'Beautifil II',         'B1',           'Universal',   'media'),

    ('Tokuyama', 'Estelite Bianco',      'BL1',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'BL2',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'MW',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'W1',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'W2',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'W3',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'W4',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Bianco',      'WE',           'Esmalte',     'baixa'),

    ('Tokuyama', 'Estelite Omega',       'DA1',          'Dentina',     'alta'),
    ('Tokuyama', 'Estelite Omega',       'DA2',          'Dentina',     'alta'),
    ('Tokuyama', 'Estelite Omega',       'DA3',          'Dentina',     'alta'),
    ('Tokuyama', 'Estelite Omega',       'BL1',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'BL2',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'EA1',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'EA2',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'EA3',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'EB1',          'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'JE',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'MW',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'WE',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Omega',       'OA2',          'Opaco',       'muito_alta'),
    ('Tokuyama', 'Estelite Omega',       'CT',           'Translucido', 'muito_baixa'),
    ('Tokuyama', 'Estelite Omega',       'TRANS',        'Translucido', 'muito_baixa'),
    ('Tokuyama', 'Estelite Omega',       'A1',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Omega',       'A2',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Omega',       'A3',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Omega',       'B1',           'Universal',   'media'),

    ('Tokuyama', 'Estelite Sigma Quick', 'CE',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Sigma Quick', 'WE',           'Esmalte',     'baixa'),
    ('Tokuyama', 'Estelite Sigma Quick', 'OA2',          'Opaco',       'muito_alta'),
    ('Tokuyama', 'Estelite Sigma Quick', 'OA3',          'Opaco',       'muito_alta'),
    ('Tokuyama', 'Estelite Sigma Quick', 'A1',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Sigma Quick', 'A2',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Sigma Quick', 'A3',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Sigma Quick', 'A3.5',         'Universal',   'media'),
    ('Tokuyama', 'Estelite Sigma Quick', 'B1',           'Universal',   'media'),
    ('Tokuyama', 'Estelite Sigma Quick', 'B2',           'Universal',   'media')
ON CONFLICT DO NOTHING;


---------------------------------------------------------- user_inventory --

CREATE TABLE IF NOT EXISTS public.user_inventory (
    id          uuid         NOT NULL  DEFAULT gen_random_uuid()  PRIMARY KEY,
    user_id     uuid         NOT NULL,
    resin_id    uuid         NOT NULL,
    created_at  timestamptz  NOT NULL  DEFAULT now()
);

SELECT auria.ensure_unique('public.user_inventory', 'user_inventory_user_id_resin_id_key', '{user_id, resin_id}');
SELECT auria.ensure_foreign_key('public.user_inventory', 'user_inventory_user_id_fkey',
    'user_id', 'auth.users', 'id', 'CASCADE');
SELECT auria.ensure_foreign_key('public.user_inventory', 'user_inventory_resin_id_fkey',
    'resin_id', 'public.resin_catalog', 'id', 'CASCADE');

SELECT auria.ensure_index('public.user_inventory', 'idx_user_inventory_resin_id', '(resin_id)');

ALTER TABLE public.user_inventory ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.user_inventory FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.user_inventory TO authenticated, service_role;

DROP POLICY IF EXISTS user_inventory_select_own ON public.user_inventory;
CREATE POLICY user_inventory_select_own ON public.user_inventory
    FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS user_inventory_insert_own ON public.user_inventory;
CREATE POLICY user_inventory_insert_own ON public.user_inventory
    FOR INSERT TO authenticated
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS user_inventory_update_own ON public.user_inventory;
CREATE POLICY user_inventory_update_own ON public.user_inventory
    FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (user_id = (SELECT auth.uid()));

DROP POLICY IF EXISTS user_inventory_delete_own ON public.user_inventory;
CREATE POLICY user_inventory_delete_own ON public.user_inventory
    FOR DELETE TO authenticated
    USING (user_id = (SELECT auth.uid()));

COMMENT ON TABLE public.user_inventory IS 'Shades that a dentist has at hand';
COMMENT ON COLUMN public.user_inventory.resin_id IS 'A shade of resin_catalog';
