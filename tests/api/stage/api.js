// A database behind an API, and everyone who speaks to it.
import { randomUUID } from 'node:crypto';
import { PostgrestClient } from '@supabase/postgrest-js';
import pg from 'pg';
import { connection } from './server.js';
import { anonToken, serviceToken, userToken } from './tokens.js';

export class Api {
  #pool;

  constructor({ server, database, url, version }) {
    Object.assign(this, { server, database, url, version });
    // As PostgreSQL has it: Supabase's superuser finds auth and extensions without their names.
    this.#pool = new pg.Pool({ ...connection(server, database), max: 2, options: '-c search_path=public' });
    // A database that is dropped under an idle connection is none of the tests' business.
    this.#pool.on('error', () => {});
  }

  close() {
    return this.#pool.end();
  }

  /** Rows as the superuser sees them, past every policy. */
  async truth(query, parameters = []) {
    return (await this.#pool.query(query, parameters)).rows;
  }

  /** A client of the API with this token, as a browser or an Edge Function makes one. */
  client(token, headers = {}) {
    const authorization = token === null ? {} : { Authorization: `Bearer ${token}` };
    return new PostgrestClient(this.url, { headers: { ...authorization, ...headers }, retry: false });
  }

  anon(headers) {
    return this.client(anonToken(), headers);
  }

  visitorWith(shareToken) {
    return this.anon({ 'x-share-token': shareToken });
  }

  service() {
    return this.client(serviceToken());
  }

  user(id) {
    return this.client(userToken(id));
  }

  /** A request below the client, for what a client would never send. */
  request(path, { token = anonToken(), headers = {}, ...rest } = {}) {
    return fetch(`${this.url}${path}`, { headers: { Authorization: `Bearer ${token}`, ...headers }, ...rest });
  }

  /** A new account, as the sign-up of Supabase makes it: PostgREST has no part in that. */
  async signUp(metadata = {}) {
    const id = randomUUID();
    await this.truth('INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES ($1, $2, $3)', [
      id,
      `${id}@clinica.example`,
      metadata,
    ]);
    return { id, db: this.user(id) };
  }
}
