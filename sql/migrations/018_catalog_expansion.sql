-- 018 Catalog expansion: more brands, more product lines, stains and adhesives.

INSERT INTO public.resin_catalog (brand, product_line, shade, type, opacity)
VALUES
    ('3M',       'Single Bond Universal',    'Universal',             'Adesivo',     'media'),

    ('FGM',      'Ambar Universal APS',      'Universal',             'Adesivo',     'media'),

    ('FGM',      'Opallis Flow',             'Opal',                  'Efeito',      'muito_baixa'),
    ('FGM',      'Opallis Flow',             'Trans',                 'Translucido', 'muito_baixa'),
    ('FGM',      'Opallis Flow',             'A1',                    'Universal',   'media'),
    ('FGM',      'Opallis Flow',             'A2',                    'Universal',   'media'),

    ('GC',       'Essentia',                 'Dark Dentin',           'Dentina',     'alta'),
    ('GC',       'Essentia',                 'Light Dentin',          'Dentina',     'alta'),
    ('GC',       'Essentia',                 'Medium Dentin',         'Dentina',     'alta'),
    ('GC',       'Essentia',                 'Dark Enamel',           'Esmalte',     'baixa'),
    ('GC',       'Essentia',                 'Light Enamel',          'Esmalte',     'baixa'),
    ('GC',       'Essentia',                 'Medium Enamel',         'Esmalte',     'baixa'),
    ('GC',       'Essentia',                 'Modifier Opaque',       'Opaco',       'muito_alta'),
    ('GC',       'Essentia',                 'Modifier White',        'Opaco',       'muito_alta'),

    ('GC',       'G-aenial',                 'JE',                    'Esmalte',     'baixa'),
    ('GC',       'G-aenial',                 'AO2',                   'Opaco',       'muito_alta'),
    ('GC',       'G-aenial',                 'AO3',                   'Opaco',       'muito_alta'),
    ('GC',       'G-aenial',                 'CVT',                   'Translucido', 'muito_baixa'),
    ('GC',       'G-aenial',                 'A1',                    'Universal',   'media'),
    ('GC',       'G-aenial',                 'A2',                    'Universal',   'media'),
    ('GC',       'G-aenial',                 'A3',                    'Universal',   'media'),
    ('GC',       'G-aenial',                 'A3.5',                  'Universal',   'media'),
    ('GC',       'G-aenial',                 'B1',                    'Universal',   'media'),

    ('Ivoclar',  'IPS Empress Direct Color', 'Blue',                  'Efeito',      'muito_baixa'),
    ('Ivoclar',  'IPS Empress Direct Color', 'Brown',                 'Efeito',      'media'),
    ('Ivoclar',  'IPS Empress Direct Color', 'Honey',                 'Efeito',      'media'),
    ('Ivoclar',  'IPS Empress Direct Color', 'White',                 'Efeito',      'muito_alta'),

    ('Ivoclar',  'Tetric N-Bond Universal',  'Universal',             'Adesivo',     'media'),

    ('Kerr',     'Harmonize',                'BL',                    'Esmalte',     'baixa'),
    ('Kerr',     'Harmonize',                'Incisal',               'Esmalte',     'baixa'),
    ('Kerr',     'Harmonize',                'XLE',                   'Esmalte',     'baixa'),
    ('Kerr',     'Harmonize',                'OA2',                   'Opaco',       'muito_alta'),
    ('Kerr',     'Harmonize',                'OA3',                   'Opaco',       'muito_alta'),
    ('Kerr',     'Harmonize',                'TN',                    'Translucido', 'muito_baixa'),
    ('Kerr',     'Harmonize',                'A1',                    'Universal',   'media'),
    ('Kerr',     'Harmonize',                'A2',                    'Universal',   'media'),
    ('Kerr',     'Harmonize',                'A3',                    'Universal',   'media'),
    ('Kerr',     'Harmonize',                'B1',                    'Universal',   'media'),

    ('Kerr',     'Kolor+ Plus',              'Amber',                 'Efeito',      'media'),
    ('Kerr',     'Kolor+ Plus',              'White',                 'Efeito',      'muito_alta'),

    ('Kerr',     'Optibond FL',              'Convencional 3 passos', 'Adesivo',     'media'),

    ('Kuraray',  'Clearfil SE Bond',         'Autocondicionante',     'Adesivo',     'media'),

    ('Tokuyama', 'Forma',                    'WB',                    'Body',        'media'),
    ('Tokuyama', 'Forma',                    'BL',                    'Esmalte',     'baixa'),
    ('Tokuyama', 'Forma',                    'OA1',                   'Opaco',       'muito_alta'),
    ('Tokuyama', 'Forma',                    'OA2',                   'Opaco',       'muito_alta'),
    ('Tokuyama', 'Forma',                    'Trans',                 'Translucido', 'muito_baixa'),
    ('Tokuyama', 'Forma',                    'A1',                    'Universal',   'media'),
    ('Tokuyama', 'Forma',                    'A2',                    'Universal',   'media'),
    ('Tokuyama', 'Forma',                    'A3',                    'Universal',   'media'),
    ('Tokuyama', 'Forma',                    'A3.5',                  'Universal',   'media'),
    ('Tokuyama', 'Forma',                    'B1',                    'Universal',   'media'),

    ('Tokuyama', 'Palfique LX5',             'WB',                    'Body',        'media'),
    ('Tokuyama', 'Palfique LX5',             'BL1',                   'Esmalte',     'baixa'),
    ('Tokuyama', 'Palfique LX5',             'BL2',                   'Esmalte',     'baixa'),
    ('Tokuyama', 'Palfique LX5',             'BL3',                   'Esmalte',     'baixa'),
    ('Tokuyama', 'Palfique LX5',             'CE',                    'Esmalte',     'baixa'),
    ('Tokuyama', 'Palfique LX5',             'WE',                    'Esmalte',     'baixa'),
    ('Tokuyama', 'Palfique LX5',             'OA1',                   'Opaco',       'muito_alta'),
    ('Tokuyama', 'Palfique LX5',             'OA2',                   'Opaco',       'muito_alta'),
    ('Tokuyama', 'Palfique LX5',             'OA3',                   'Opaco',       'muito_alta'),
    ('Tokuyama', 'Palfique LX5',             'A1',                    'Universal',   'media'),
    ('Tokuyama', 'Palfique LX5',             'A2',                    'Universal',   'media'),
    ('Tokuyama', 'Palfique LX5',             'A3',                    'Universal',   'media'),
    ('Tokuyama', 'Palfique LX5',             'A3.5',                  'Universal',   'media'),
    ('Tokuyama', 'Palfique LX5',             'B1',                    'Universal',   'media')
ON CONFLICT DO NOTHING;
