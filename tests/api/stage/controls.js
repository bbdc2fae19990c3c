// Apis that are none. Every check of the flows and attacks has to fail on each of them: one that passes where
// nothing is served would also pass where the real api has stopped serving.
import { createServer } from 'node:http';
import { freePort } from './postgrest.js';

const answering = (status, body) => async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, body === '' ? {} : { 'Content-Type': 'application/json' });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  };
};

export const CONTROLS = [
  {
    what: 'a port where nothing listens',
    start: async () => ({ url: `http://127.0.0.1:${await freePort()}`, stop: async () => {} }),
  },
  { what: 'a server that answers 404 without a body', start: answering(404, '') },
  { what: 'a server that answers with an empty list', start: answering(200, '[]') },
  {
    what: 'a server that refuses everything',
    start: answering(403, '{"code":"42501","message":"permission denied","details":null,"hint":null}'),
  },
];
