import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createWebSource, type WebSource } from '../../src/fetcher/index.ts';
import type { Service } from '../../src/service/index.ts';
import { drawing } from './shapes.ts';
import { makeSmallRun, type SmallRun } from './small-service.ts';

/** Hosts of strangers, on this machine: one may be asked by name of its port, the other is like any private address. */
let open: Server;
let inner: Server;
let run: SmallRun;
let service: Service;
let web: WebSource;
const askedInside: string[] = [];
let closedEarly = 0;

beforeAll(async () => {
  inner = await serve((request, response) => {
    askedInside.push(request.url ?? '');
    response.end('secret');
  });
  const picture = await drawing('green', 'triangle', 300, 300);
  open = await serve((request, response) => {
    const secret = `http://127.0.0.1:${portOf(inner)}/secret`;
    response.on('close', () => {
      if (!response.writableFinished) closedEarly++;
    });
    switch (request.url) {
      case '/picture.jpg':
        response.end(picture);
        return;
      case '/to-private':
        response.writeHead(302, { Location: secret }).end();
        return;
      case '/to-metadata':
        response.writeHead(307, { Location: 'http://169.254.169.254/latest/meta-data/' }).end();
        return;
      case '/to-file':
        response.writeHead(301, { Location: 'file:///etc/passwd' }).end();
        return;
      case '/round':
        response.writeHead(302, { Location: '/round' }).end();
        return;
      case '/huge': {
        response.writeHead(200, { 'Content-Type': 'image/jpeg' });
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 20)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
        return;
      }
      case '/slow': {
        response.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': picture.length });
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
        return;
      }
      case '/page.html':
        response.setHeader('Content-Type', 'text/html');
        response.end(`<html>${'no picture '.repeat(1000)}</html>`);
        return;
      default:
        response.writeHead(404).end();
    }
  });
  run = await makeSmallRun();
  web = createWebSource({
    anonymous: true,
    allowHosts: [`127.0.0.1:${portOf(open)}`],
    maxBodyBytes: 5 << 20,
  });
  service = await run.start({
    fetchImage: (url, signal) => web.get(url, signal),
    limits: { deadlineMs: 3_000 },
  });
});
afterAll(async () => {
  await run.end();
  await web.close();
  for (const server of [open, inner]) {
    server.closeAllConnections();
    server.close();
  }
  expect(run.failures).toEqual([]);
});

const ask = async (image_url: string) => {
  const response = await fetch(new URL('/knn-service', service.url), {
    method: 'POST',
    body: JSON.stringify({ image_url, num_images: 3 }),
  });
  return { status: response.status, body: await response.text() };
};
const at = (path: string) => `http://127.0.0.1:${portOf(open)}${path}`;

describe('image_url', () => {
  test('is fetched, decoded and searched with', async () => {
    const { status, body } = await ask(at('/picture.jpg'));
    expect(status).toBe(200);
    expect(body).toContain('green triangle');
  });

  test.each([
    ['loopback', () => `http://127.0.0.1:${portOf(inner)}/secret`],
    ['loopback by a name', () => `http://localhost:${portOf(inner)}/secret`],
    ['loopback as a number', () => `http://2130706433:${portOf(inner)}/secret`],
    ['loopback in IPv6', () => `http://[::ffff:127.0.0.1]:${portOf(inner)}/secret`],
    ['no address at all', () => `http://0.0.0.0:${portOf(inner)}/secret`],
    ['a private network', () => 'http://10.0.0.1/'],
    ["a cloud's metadata", () => 'http://169.254.169.254/latest/meta-data/'],
    ['a redirect to loopback', () => at('/to-private')],
    ["a redirect to a cloud's metadata", () => at('/to-metadata')],
  ])('%s is not asked', async (_, url) => {
    const { status, body } = await ask(url());
    expect(status).toBe(400);
    expect(body).toMatch(/address is not public/);
    expect(body).not.toContain('secret"');
    expect(askedInside).toEqual([]);
  });

  test.each([
    ['a redirect to a file', '/to-file'],
    ['redirects without end', '/round'],
    ['no picture', '/page.html'],
    ['nothing', '/missing'],
  ])('%s: one line', async (_, path) => {
    const { status, body } = await ask(at(path));
    expect(status).toBe(400);
    expect(JSON.parse(body)).toEqual({ error: expect.stringMatching(/^image_url: [^\n]{5,200}$/) });
  });

  test('a body without end, and one that trickles, are given up', async () => {
    const before = closedEarly;
    const answers = await Promise.all([ask(at('/huge')), ask(at('/slow'))]);
    expect(answers[0]).toMatchObject({ status: 400, body: expect.stringContaining('above the size limit') });
    expect(answers[1].status).toBe(503);
    await vi.waitFor(() => expect(closedEarly - before).toBe(2));
  });
});

async function serve(answer: RequestListener): Promise<Server> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
