-- A signed-in user: auth.uid() says who.
CREATE ROLE authenticated NOLOGIN NOINHERIT;
