import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import type { buildConnector } from 'undici';
import { isPublicAddress } from './address.ts';
import type { AddressGate } from './address-gate.ts';
import { ConnectFailure } from './connect-failure.ts';
import type { WebSettings } from './options.ts';
import type { ProxyFor } from './proxy.ts';
import { currentTrace } from './trace.ts';
import { openTunnel } from './tunnel.ts';

/** Opens the sockets of undici's pools. */
export interface Connector {
  /** To the origin itself, or through a tunnel of its proxy. */
  readonly connect: buildConnector.connector;
  /** To a proxy that is asked for http URLs: it is the operator's, wherever it is. */
  readonly connectProxy: buildConnector.connector;
  /** Gives up the connections that do not stand yet: undici knows only the others. */
  destroy(): void;
}

type ConnectSettings = Pick<WebSettings, 'connectTimeoutMs' | 'verifyTls' | 'http2'>;

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true } as const;

/**
 * Connects to public addresses only. The check is made here and not on the URL because only here is it known which
 * address the name has at this moment: a name can change its address between a check and the connection.
 */
export function createConnector(settings: ConnectSettings, gate: AddressGate, proxyOf: ProxyFor): Connector {
  const pending = new Set<Socket>();

  const tlsOptions = (host: string): ConnectionOptions => ({
    host,
    rejectUnauthorized: settings.verifyTls,
    ALPNProtocols: settings.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    // Server name indication knows no addresses (RFC 6066); the certificate is checked against `host`.
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });

  const direct: buildConnector.connector = (target, callback) => {
    const { host, port, secure } = hostPort(target);
    const open = gate.isOpen(host, port);
    const refused = gate.refusal(host, open);
    if (refused) {
      // undici expects to be called back after this function has returned.
      queueMicrotask(() => callback(refused, null));
      return;
    }
    const options = { host, port, lookup: gate.lookup(open), ...SOCKET_OPTIONS };
    const socket = secure ? tlsConnect({ ...options, ...tlsOptions(host) }) : netConnect(options);
    const attempt = new Attempt(pending, settings.connectTimeoutMs, callback, isIP(host) === 0);
    attempt.watch(socket);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      const remote = socket.remoteAddress ?? '';
      // Each address was checked before; this holds even if a later node should connect to another one.
      if (!open && !isPublicAddress(remote)) socket.destroy(new ConnectFailure('address', remote, false));
      else attempt.finish(socket);
    });
  };

  const toProxy = (proxy: URL, callback: buildConnector.Callback): { socket: Socket; attempt: Attempt } => {
    const { host, port } = hostPort(proxy);
    const attempt = new Attempt(pending, settings.connectTimeoutMs, callback, isIP(host) === 0);
    const socket = netConnect({ host, port, lookup: gate.lookup(true), ...SOCKET_OPTIONS });
    attempt.watch(socket);
    return { socket, attempt };
  };

  const tunnelled = (proxy: URL, target: buildConnector.Options, callback: buildConnector.Callback): void => {
    const { host, port } = hostPort(target);
    const { socket, attempt } = toProxy(proxy, callback);
    const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    const checked = gate.check(host, port);
    checked.catch((error: Error) => socket.destroy(error));
    socket.once('connect', async () => {
      try {
        // Whatever the proxy would find for the name: what is private for us is refused.
        await checked;
        await openTunnel(socket, authority, proxy);
        const secure = tlsConnect({ socket, ...tlsOptions(host) });
        attempt.watch(secure);
        secure.once('secureConnect', () => attempt.finish(secure));
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
  };

  return {
    connect: (target, callback) => {
      const proxy = proxyOf(target);
      if (proxy) tunnelled(proxy, target, callback);
      else direct(target, callback);
    },
    connectProxy: (target, callback) => {
      const { socket, attempt } = toProxy(new URL(`${target.protocol}//${target.host}`), callback);
      socket.once('connect', () => attempt.finish(socket));
    },
    destroy: () => {
      for (const socket of pending) socket.destroy();
    },
  };
}

/** One connection that is to come about, with its time and its facts. */
class Attempt {
  readonly #pending: Set<Socket>;
  readonly #callback: buildConnector.Callback;
  readonly #sockets: Socket[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #trace = currentTrace.getStore();
  readonly #began = performance.now();
  #resolved = this.#began;
  #waitingFor: 'DNS' | 'connect' | 'TLS handshake';
  #done = false;

  constructor(pending: Set<Socket>, timeoutMs: number, callback: buildConnector.Callback, named: boolean) {
    this.#pending = pending;
    this.#callback = callback;
    this.#waitingFor = named ? 'DNS' : 'connect';
    this.#timer = setTimeout(() => {
      for (const socket of this.#sockets)
        socket.destroy(new ConnectFailure('timeout', this.#waitingFor, true));
    }, timeoutMs);
  }

  /** A socket of it: the attempt fails when one of its sockets does. */
  watch(socket: Socket): void {
    this.#sockets.push(socket);
    this.#pending.add(socket);
    socket.once('lookup', () => {
      this.#waitingFor = 'connect';
      this.#resolved = performance.now();
    });
    socket.once('connect', () => {
      this.#waitingFor = 'TLS handshake';
    });
    socket.on('error', (error) => this.#end(connectFailure(error, this.#waitingFor === 'TLS handshake')));
    socket.once('close', () => {
      if (!this.#done) this.#end(new ConnectFailure('connection', 'closed', true));
    });
  }

  finish(socket: Socket): void {
    this.#end(socket);
  }

  #end(outcome: ConnectFailure | Socket): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#timer);
    for (const each of this.#sockets) this.#pending.delete(each);
    if (this.#trace) {
      // A name that is still looked for has taken all the time there was.
      const resolved = this.#waitingFor === 'DNS' ? performance.now() : this.#resolved;
      this.#trace.dnsMs += resolved - this.#began;
      this.#trace.connectMs += performance.now() - resolved;
    }
    if (outcome instanceof ConnectFailure) this.#callback(outcome, null);
    else this.#callback(null, outcome);
  }
}

function connectFailure(error: Error, handshake: boolean): ConnectFailure {
  if (error instanceof ConnectFailure) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  if (code === 'ETIMEDOUT') return new ConnectFailure('timeout', 'connect', true, { cause: error });
  const tls = handshake && code !== 'ECONNRESET' && code !== 'EPIPE';
  return new ConnectFailure(tls ? 'tls' : 'connection', code, !tls, { cause: error });
}

function hostPort(target: { readonly protocol: string; readonly hostname: string; readonly port: string }): {
  host: string;
  port: number;
  secure: boolean;
} {
  const secure = target.protocol === 'https:';
  return {
    host: target.hostname.replace(/^\[|\]$/g, ''),
    port: Number(target.port || (secure ? 443 : 80)),
    secure,
  };
}
