import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** A hub on the loopback: files by path, behind a redirect as on the real one, with ranges and ETags. */
export class LoopbackHub implements AsyncDisposable {
  /** Bytes by path below the hub, as OWNER/NAME/resolve/main/config.json. */
  readonly files = new Map<string, Uint8Array>();
  /** Paths whose next answer breaks off after so many bytes. */
  readonly breaks = new Map<string, number>();
  /** Where files really lie. @default this server's /cdn/ */
  cdn: string | undefined;
  /** Whether files have an ETag, and ranges. */
  plain = false;
  /** Files that were asked for, with the byte from which. */
  readonly asked: [path: string, range: string | undefined][] = [];
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  static async start(): Promise<LoopbackHub> {
    const hub = new LoopbackHub();
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get origin(): string {
    const address = this.#server.address();
    if (typeof address !== 'object' || !address) throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').slice(1);
    response.on('error', () => undefined);
    if (!path.startsWith('cdn/')) {
      if (!this.files.has(path)) response.writeHead(404).end();
      else response.writeHead(302, { location: `${this.cdn ?? this.origin}/cdn/${path}` }).end();
      return;
    }
    const name = path.slice('cdn/'.length);
    const file = this.files.get(name) ?? new Uint8Array();
    const { range, 'if-range': condition } = request.headers;
    this.asked.push([name, range]);
    const etag = `"${Buffer.from(file).toString('base64').length}-${file[0] ?? 0}"`;
    if (!this.plain) response.setHeader('etag', etag);
    const same = condition === undefined || condition === etag;
    const from = !this.plain && same ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0;
    if (from > 0) {
      response.statusCode = 206;
      response.setHeader('content-range', `bytes ${from}-${file.length - 1}/${file.length}`);
    }
    response.setHeader('content-length', file.length - from);
    const stop = this.breaks.get(name);
    this.breaks.delete(name);
    if (stop === undefined) response.end(file.subarray(from));
    else response.write(file.subarray(from, from + stop), () => response.socket?.destroy());
  }
}
