import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createResolver, DNS_DEFAULTS, type DnsSettings } from '../../src/fetcher/dns.ts';
import { createWebSource } from '../../src/fetcher/index.ts';
import { type DnsServer, serveDns } from './dns-server.ts';
import { PIXELS, serve, webSource } from './servers.ts';
import { testClock } from './test-clock.ts';

const NO_FILE = '/no/such/hosts-file';

function resolverFor(server: DnsServer, settings: Partial<DnsSettings> = {}, hostsFile = NO_FILE) {
  const clock = testClock();
  const all = { ...DNS_DEFAULTS, servers: [server.address], timeoutMs: 500, ...settings };
  const resolver = createResolver(all, clock, hostsFile);
  onTestFinished(() => resolver.close());
  return { clock, resolve: resolver.resolve, close: resolver.close };
}

describe('names', () => {
  it('are asked for once, however many want them, and in any case', async () => {
    const server = await serveDns(() => ({ addresses: ['192.0.2.1', '192.0.2.2'] }));
    const { resolve } = resolverFor(server);
    const names = ['a.example', 'A.EXAMPLE', 'a.example.'];
    for (const found of await Promise.all(names.map(resolve)))
      expect(found.toSorted((a, b) => a.address.localeCompare(b.address))).toEqual([
        { address: '192.0.2.1', family: 4 },
        { address: '192.0.2.2', family: 4 },
      ]);
    await resolve('a.example');
    expect(server.asked).toEqual(['A a.example']);
  });

  it.each([
    { ttl: 5, keptMs: 60_000, why: 'at least the floor' },
    { ttl: 600, keptMs: 600_000, why: 'as its time to live says' },
    { ttl: 86_400, keptMs: 3_600_000, why: 'at most the ceiling' },
  ])('$ttl s: used for $keptMs ms, $why', async ({ ttl, keptMs }) => {
    const server = await serveDns(() => ({ addresses: ['192.0.2.1'], ttl }));
    const { clock, resolve } = resolverFor(server);
    await resolve('a.example');
    clock.time += keptMs - 1;
    await resolve('a.example');
    expect(server.asked).toHaveLength(1);
    clock.time += 1;
    await resolve('a.example');
    expect(server.asked).toHaveLength(2);
  });

  it('with IPv6 addresses only are found', async () => {
    const server = await serveDns((_, type) =>
      type === 'AAAA' ? { addresses: ['2001:0db8:0000:0000:0000:0000:0000:0001'] } : {},
    );
    expect(await resolverFor(server).resolve('six.example')).toEqual([{ address: '2001:db8::1', family: 6 }]);
    expect(server.asked).toEqual(['A six.example', 'AAAA six.example']);
  });

  it('whose answer is too long for UDP are asked for by TCP', async () => {
    const addresses = Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`);
    const server = await serveDns(() => ({ addresses, truncated: true }));
    expect(await resolverFor(server).resolve('long.example')).toHaveLength(60);
    expect(server.asked).toEqual(['A long.example', 'TCP A long.example']);
  });

  it('of the hosts file come from there, and those without a dot from the system', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gleaner-hosts-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'hosts');
    await writeFile(
      file,
      '# own\n192.0.2.7\tintern.example Other.Example # here\n2001:db8::7 intern.example\n',
    );
    const server = await serveDns(() => ({ rcode: 3 }));
    const { resolve } = resolverFor(server, {}, file);
    expect(await resolve('Intern.example')).toEqual([
      { address: '192.0.2.7', family: 4 },
      { address: '2001:db8::7', family: 6 },
    ]);
    expect(await resolve('other.example')).toEqual([{ address: '192.0.2.7', family: 4 }]);
    expect(await resolve('localhost')).toContainEqual({ address: '127.0.0.1', family: 4 });
    expect(server.asked).toEqual([]);
  });

  it('no more are asked for at once than allowed', async () => {
    const gate = Promise.withResolvers<void>();
    const server = await serveDns(() => ({ addresses: ['192.0.2.1'], after: gate.promise }));
    const { resolve } = resolverFor(server, { concurrency: 2, timeoutMs: 5000 });
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => resolve(`${name}.example`));
    while (server.asked.length < 2) await new Promise(setImmediate);
    // Whatever more was sent would be there by the time that a question asked after it is answered.
    const later = resolverFor(server, { concurrency: 1, timeoutMs: 5000 }).resolve('later.example');
    while (!server.asked.includes('A later.example')) await new Promise(setImmediate);
    expect(server.asked).toHaveLength(3);
    gate.resolve();
    await Promise.all([...all, later]);
    expect(server.asked).toHaveLength(6);
  });

  it('few are remembered, those used last', async () => {
    const server = await serveDns(() => ({ addresses: ['192.0.2.1'] }));
    const { resolve } = resolverFor(server, { cacheEntries: 2 });
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await resolve(`${name}.example`);
    expect(server.asked.map((line) => line.slice(2, 3)).join('')).toBe('abcb');
  });
});

describe('names without an address', () => {
  it('that do not exist are believed not to for a while', async () => {
    const server = await serveDns(() => ({ rcode: 3 }));
    const { clock, resolve } = resolverFor(server);
    for (const _ of [1, 2])
      await expect(resolve('gone.example')).rejects.toMatchObject({ message: 'NXDOMAIN', passing: false });
    expect(server.asked).toEqual(['A gone.example']);
    clock.time += 300_000;
    await expect(resolve('gone.example')).rejects.toThrow('NXDOMAIN');
    expect(server.asked).toHaveLength(2);
  });

  it('that exist have "no address", after both kinds were asked for', async () => {
    const server = await serveDns(() => ({}));
    const { resolve } = resolverFor(server);
    await expect(resolve('mail.example')).rejects.toMatchObject({ message: 'no address', passing: false });
    expect(server.asked).toEqual(['A mail.example', 'AAAA mail.example']);
  });

  it('whose server fails may be asked for again at once, and are left alone for longer each time', async () => {
    const server = await serveDns(() => ({ rcode: 2 }));
    const { clock, resolve } = resolverFor(server);
    const askedBy = async () => {
      const before = server.asked.length;
      await expect(resolve('bad.example')).rejects.toMatchObject({ message: 'SERVFAIL', passing: true });
      return server.asked.length > before;
    };
    expect([await askedBy(), await askedBy(), await askedBy()]).toEqual([true, true, false]);
    clock.time += 5_000;
    expect([await askedBy(), await askedBy()]).toEqual([true, false]);
    clock.time += 5_000;
    expect(await askedBy()).toBe(false);
    clock.time += 5_000;
    expect(await askedBy()).toBe(true);
  });

  it('refused', async () => {
    const server = await serveDns(() => ({ rcode: 5 }));
    await expect(resolverFor(server).resolve('a.example')).rejects.toThrow('REFUSED');
  });

  it('where the server says nothing: timeout', async () => {
    const server = await serveDns(() => undefined);
    const { resolve } = resolverFor(server, { timeoutMs: 20 });
    await expect(resolve('a.example')).rejects.toMatchObject({ message: 'timeout', passing: true });
  });

  it('closing ends what is under way', async () => {
    const server = await serveDns(() => undefined);
    const { resolve, close } = resolverFor(server, { timeoutMs: 60_000 });
    const asked = resolve('a.example');
    while (server.asked.length === 0) await new Promise(setImmediate);
    close();
    await expect(asked).rejects.toThrow();
  });
});

describe('a source with servers of its own', () => {
  it('fetches by their answers, and says why there is none', async () => {
    const web = await serve((_, response) => response.end(PIXELS));
    const port = web.host.split(':')[1];
    const server = await serveDns((name) =>
      name === 'images.example'
        ? { addresses: ['127.0.0.1'] }
        : name === 'inside.example'
          ? { addresses: ['10.0.0.1'] }
          : { rcode: name === 'bad.example' ? 2 : 3 },
    );
    const source = webSource([{ host: `images.example:${port}` }], { dns: { servers: [server.address] } });
    expect(await source.get(`http://images.example:${port}/a.png`)).toMatchObject({ kept: true });
    const refused = async (host: string) => {
      const outcome = await source.get(`http://${host}/a.png`);
      return outcome.kept ? '' : `${outcome.reason}: ${outcome.detail}`;
    };
    expect(await refused('inside.example')).toBe('address: 10.0.0.1');
    expect(await refused('gone.example')).toBe('dns: NXDOMAIN gone.example');
    expect(await refused('bad.example')).toBe('dns: SERVFAIL bad.example');
  });

  it.each([{ servers: ['dns.example'] }, { concurrency: 0 }, { maxTtlMs: 0.5 }])(
    '%j is wrong usage',
    (dns) => {
      expect(() => createWebSource({ dns })).toThrow(/dns\./);
    },
  );
});
