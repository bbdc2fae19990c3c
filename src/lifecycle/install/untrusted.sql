-- The objects that an installation takes over, calls or fires, and that belong to a role that is not trusted.
-- $1: the managed tables; $2: the managed functions; $3: the trusted roles.
WITH RECURSIVE relations (oid, kind, owner) AS (
    SELECT c.oid, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                                 WHEN 'f' THEN 'foreign table' ELSE 'table' END,
           c.relowner
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relname = ANY ($1)
        OR n.nspname IN ('auria', 'auria_raw') AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
     UNION
    -- Partitions are read and written through their parent.
    SELECT c.oid, 'table', c.relowner
      FROM relations r
      JOIN pg_catalog.pg_inherits i ON i.inhparent = r.oid
      JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
), triggers (oid, function, relation) AS (
    SELECT t.oid, t.tgfoid, t.tgrelid
      FROM pg_catalog.pg_trigger t JOIN relations r ON r.oid = t.tgrelid
     WHERE NOT t.tgisinternal
), types (oid, place) AS (
    -- The types of columns, and what these are made of: a domain's constraints and a composite's fields are evaluated, too.
    SELECT a.atttypid, pg_catalog.format('%s.%s', a.attrelid::pg_catalog.regclass, a.attname)
      FROM relations r
      JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
     UNION
    SELECT part.oid, t.place
      FROM types t
      JOIN pg_catalog.pg_type y ON y.oid = t.oid
     CROSS JOIN LATERAL (SELECT y.typbasetype WHERE y.typbasetype <> 0
                          UNION ALL
                         SELECT y.typelem WHERE y.typelem <> 0
                          UNION ALL
                         SELECT a.atttypid FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                          UNION ALL
                         SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE y.oid IN (g.rngtypid, g.rngmultitypid)) AS part (oid)
), dependents (classid, objid) AS (
    -- What is evaluated when a row is written or a statement is planned: defaults, constraints, expressions of indexes and
    -- statistics, conditions of triggers, constraints and defaults of domains, functions of ranges.
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid
      FROM pg_catalog.pg_attrdef d JOIN relations r ON r.oid = d.adrelid
     UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid
      FROM pg_catalog.pg_constraint c JOIN relations r ON r.oid = c.conrelid
     UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid
      FROM pg_catalog.pg_index i JOIN relations r ON r.oid = i.indrelid
     UNION ALL
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid FROM triggers t
     UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid
      FROM pg_catalog.pg_statistic_ext s JOIN relations r ON r.oid = s.stxrelid
     UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid
      FROM pg_catalog.pg_constraint c JOIN types t ON t.oid = c.contypid
     UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM types t
     UNION ALL
    -- The schema's owner plans joins with the platform's users when a foreign key is validated, and the planner evaluates
    -- what it can of the expressions of indexes, statistics and constraints.
    SELECT x.classid, x.objid
      FROM (SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid, i.indrelid FROM pg_catalog.pg_index i
             UNION ALL
            SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, s.stxrelid FROM pg_catalog.pg_statistic_ext s
             UNION ALL
            SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid, c.conrelid
              FROM pg_catalog.pg_constraint c WHERE c.contype = 'c') AS x (classid, objid, relation)
     WHERE x.relation = pg_catalog.to_regclass('auth.users')
), called (classid, objid) AS (
    -- The functions, operators and operator classes behind these; the functions of an operator class depend on its family.
    SELECT d.refclassid, d.refobjid
      FROM dependents x JOIN pg_catalog.pg_depend d ON d.classid = x.classid AND d.objid = x.objid
     -- A trigger's own function is reported as such.
     WHERE NOT EXISTS (SELECT FROM triggers t
                        WHERE t.oid = x.objid AND x.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                          AND t.function = d.refobjid)
     UNION
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, a.amproc
      FROM dependents x
      JOIN pg_catalog.pg_depend d ON d.classid = x.classid AND d.objid = x.objid
                                 AND d.refclassid = 'pg_catalog.pg_opclass'::pg_catalog.regclass
      JOIN pg_catalog.pg_opclass o ON o.oid = d.refobjid
      JOIN pg_catalog.pg_amproc a ON a.amprocfamily = o.opcfamily
     UNION
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, o.oprcode
      FROM dependents x
      JOIN pg_catalog.pg_depend d ON d.classid = x.classid AND d.objid = x.objid
                                 AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
      JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
), found (object, owner) AS (
    SELECT kind || ' ' || oid::pg_catalog.regclass::text, owner FROM relations
     UNION
    SELECT 'function ' || p.oid::pg_catalog.regprocedure::text, p.proowner
      FROM pg_catalog.unnest($2) AS signature
      JOIN pg_catalog.pg_proc p ON p.oid = pg_catalog.to_regprocedure(signature)
     UNION
    SELECT 'function ' || p.oid::pg_catalog.regprocedure::text, p.proowner
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname IN ('auria', 'auria_raw')
     UNION
    SELECT 'schema ' || n.nspname, n.nspowner
      FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('public', 'auria', 'auria_raw')
     UNION
    SELECT pg_catalog.format('trigger function %s on table %s', t.function::pg_catalog.regprocedure, t.relation::pg_catalog.regclass),
           p.proowner
      FROM triggers t JOIN pg_catalog.pg_proc p ON p.oid = t.function
     UNION
    -- Whoever has the privilege TRIGGER on it may have put a trigger there, and the installation writes to it as its owner.
    SELECT pg_catalog.format('trigger function %s on table storage.buckets', p.oid::pg_catalog.regprocedure), p.proowner
      FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgrelid = pg_catalog.to_regclass('storage.buckets') AND NOT t.tgisinternal AND p.proowner <> c.relowner
     UNION
    SELECT 'function ' || p.oid::pg_catalog.regprocedure::text, p.proowner
      FROM called x
      JOIN pg_catalog.pg_proc p ON p.oid = x.objid AND x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
     UNION
    SELECT 'operator ' || o.oid::pg_catalog.regoperator::text, o.oprowner
      FROM called x
      JOIN pg_catalog.pg_operator o ON o.oid = x.objid AND x.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass
     UNION
    SELECT 'operator class ' || o.opcname, o.opcowner
      FROM called x
      JOIN pg_catalog.pg_opclass o ON o.oid = x.objid AND x.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass
     UNION
    SELECT pg_catalog.format('type %s of %s', y.oid::pg_catalog.regtype, t.place), y.typowner
      FROM types t JOIN pg_catalog.pg_type y ON y.oid = t.oid
     UNION
    -- Only an owner can make a rule, but an earlier one may have. What it calls and what it writes to belongs to somebody.
    SELECT pg_catalog.format('rule %s on %s', w.rulename, w.ev_class::pg_catalog.regclass), COALESCE(p.proowner, c.relowner)
      FROM relations r
      JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
      LEFT JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      LEFT JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                                     AND c.relnamespace NOT IN (pg_catalog.to_regnamespace('auth'), pg_catalog.to_regnamespace('storage'))
     WHERE COALESCE(p.proowner, c.relowner) IS NOT NULL AND d.refobjid <> w.ev_class
)
SELECT pg_catalog.format('%s, which belongs to role "%s"', found.object, r.rolname)
  FROM found JOIN pg_catalog.pg_roles r ON r.oid = found.owner
 WHERE found.owner <> ALL ($3)
 ORDER BY 1
