import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/** What the server says of a name; undefined: nothing at all. RFC 1035, 4.1.1. */
export interface DnsAnswer {
  readonly addresses?: readonly string[];
  readonly ttl?: number;
  /** 0 no error, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode?: number;
  /** Over UDP only a stub that says so comes; the rest is there over TCP. */
  readonly truncated?: boolean;
  readonly after?: Promise<unknown>;
}

export interface DnsServer {
  /** ADDRESS:PORT */
  readonly address: string;
  /** 'A name', 'AAAA name', in the order in which they came; over TCP with 'TCP ' before them. */
  readonly asked: string[];
}

type Answers = (name: string, type: 'A' | 'AAAA') => DnsAnswer | undefined;

/** A DNS server on loopback, over UDP and TCP, that ends with the test. */
export async function serveDns(answers: Answers): Promise<DnsServer> {
  const asked: string[] = [];
  const respond = async (query: Buffer, transport: 'UDP' | 'TCP'): Promise<Buffer | undefined> => {
    const { name, type, end } = question(query);
    asked.push(`${transport === 'TCP' ? 'TCP ' : ''}${type} ${name}`);
    const answer = answers(name, type);
    await answer?.after;
    return answer && response(query.subarray(0, end), type, answer, transport);
  };

  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    // One question fits one packet on loopback; each has its length before it.
    socket.on('data', async (data: Buffer) => {
      const sent = await respond(data.subarray(2), 'TCP');
      if (!sent) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(sent.length);
      socket.write(Buffer.concat([length, sent]));
    });
    socket.unref();
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = typeof address === 'object' && address ? address.port : 0;

  const udp = createSocket('udp4');
  let open = true;
  udp.on('message', async (query, from) => {
    const sent = await respond(query, 'UDP');
    if (sent && open) udp.send(sent, from.port, from.address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  onTestFinished(() => {
    open = false;
    udp.close();
    tcp.close();
  });
  return { address: `127.0.0.1:${port}`, asked };
}

function question(query: Buffer): { name: string; type: 'A' | 'AAAA'; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return {
    name: labels.join('.').toLowerCase(),
    type: query.readUInt16BE(at + 1) === 28 ? 'AAAA' : 'A',
    end: at + 5,
  };
}

function response(
  asked: Buffer,
  type: 'A' | 'AAAA',
  { addresses = [], ttl = 300, rcode = 0, truncated = false }: DnsAnswer,
  transport: 'UDP' | 'TCP',
): Buffer {
  const cut = truncated && transport === 'UDP';
  const records = cut ? [] : addresses.map((address) => record(address, type, ttl));
  const head = Buffer.from(asked);
  // Response, recursion desired and available.
  head.writeUInt16BE(0x8180 | (cut ? 0x0200 : 0) | rcode, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, ...records]);
}

function record(address: string, type: 'A' | 'AAAA', ttl: number): Buffer {
  const data =
    type === 'A'
      ? Buffer.from(address.split('.').map(Number))
      : Buffer.from(address.replaceAll(':', ''), 'hex'); // written out in full by the tests
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the name of the question
  head.writeUInt16BE(type === 'A' ? 1 : 28, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
