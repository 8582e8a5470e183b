import { isIP, type LookupFunction, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Reason } from '../schema/index.ts';
import { isPublicAddress } from './address.ts';
import { usage, type WebSettings } from './options.ts';
import { DnsFailure, type Resolve } from './resolve.ts';
import { currentTrace } from './trace.ts';

/** No connection came about, and why. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';
  readonly reason: Reason;
  readonly detail: string;
  /** Whether another try may well come through. */
  readonly passing: boolean;

  constructor(reason: Reason, detail: string, passing: boolean, options?: ErrorOptions) {
    super(`${reason}: ${detail}`, options);
    this.reason = reason;
    this.detail = detail;
    this.passing = passing;
  }
}

/** Opens the sockets of undici's pools. */
export interface Connector {
  readonly connect: buildConnector.connector;
  /** Gives up the connections that do not stand yet: undici knows only the others. */
  destroy(): void;
}

interface ConnectSettings
  extends Pick<WebSettings, 'allowHosts' | 'connectTimeoutMs' | 'verifyTls' | 'http2'> {
  readonly resolve: Resolve;
}

/**
 * Connects to public addresses only. The check is made here and not on the URL because only here is it known which
 * address the name has at this moment: a name can change its address between a check and the connection.
 * @throws GleanerError USAGE for an allowed host that is not HOST:PORT
 */
export function createConnector(settings: ConnectSettings): Connector {
  const allowed = new Set(settings.allowHosts.map(parseHostPort));
  const pending = new Set<Socket>();
  const lookupAny = lookupWith(settings.resolve, () => true);
  const lookupPublic = lookupWith(settings.resolve, isPublicAddress);

  const connect: buildConnector.connector = (target, callback) => {
    const host = target.hostname;
    const secure = target.protocol === 'https:';
    const port = Number(target.port || (secure ? 443 : 80));
    const open = allowed.has(`${host}:${port}`);
    if (isIP(host) !== 0 && !open && !isPublicAddress(host)) {
      // undici expects to be called back after this function has returned.
      queueMicrotask(() => callback(new ConnectFailure('address', host, false), null));
      return;
    }
    const options = { host, port, lookup: open ? lookupAny : lookupPublic, noDelay: true, keepAlive: true };
    const socket = secure
      ? tlsConnect({
          ...options,
          rejectUnauthorized: settings.verifyTls,
          ALPNProtocols: settings.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
          // Server name indication knows no addresses (RFC 6066); the certificate is checked against `host`.
          ...(isIP(host) === 0 ? { servername: host } : {}),
        })
      : netConnect(options);
    pending.add(socket);

    const trace = currentTrace.getStore();
    const began = performance.now();
    let resolved = began;
    let waitingFor = isIP(host) === 0 ? 'DNS' : 'connect';
    let done = false;
    const finish = (failure: ConnectFailure | undefined) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      pending.delete(socket);
      if (trace) {
        // A name that is still looked for has taken all the time there was.
        const resolvedAt = waitingFor === 'DNS' ? performance.now() : resolved;
        trace.dnsMs += resolvedAt - began;
        trace.connectMs += performance.now() - resolvedAt;
      }
      if (failure) callback(failure, null);
      else callback(null, socket);
    };
    const timer = setTimeout(() => {
      socket.destroy(new ConnectFailure('timeout', waitingFor, true));
    }, settings.connectTimeoutMs);
    socket.once('lookup', () => {
      waitingFor = 'connect';
      resolved = performance.now();
    });
    socket.once('connect', () => {
      waitingFor = 'TLS handshake';
    });
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      const remote = socket.remoteAddress ?? '';
      // Each address was checked before; this holds even if a later node should connect to another one.
      if (!open && !isPublicAddress(remote)) socket.destroy(new ConnectFailure('address', remote, false));
      else finish(undefined);
    });
    socket.on('error', (error) => finish(connectFailure(error, waitingFor === 'TLS handshake')));
    socket.once('close', () => finish(new ConnectFailure('connection', 'closed', true)));
  };

  return {
    connect,
    destroy: () => {
      for (const socket of pending) socket.destroy();
    },
  };
}

function connectFailure(error: Error, handshake: boolean): ConnectFailure {
  if (error instanceof ConnectFailure) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  if (code === 'ETIMEDOUT') return new ConnectFailure('timeout', 'connect', true, { cause: error });
  const tls = handshake && code !== 'ECONNRESET' && code !== 'EPIPE';
  return new ConnectFailure(tls ? 'tls' : 'connection', code, !tls, { cause: error });
}

function lookupWith(resolve: Resolve, accept: (address: string) => boolean): LookupFunction {
  return (host, options, callback) => {
    resolve(host).then(
      (found) => {
        const accepted = found.filter(({ address }) => accept(address));
        const [first] = accepted;
        if (!first) {
          const refused = found[0]?.address;
          const failure = refused
            ? new ConnectFailure('address', refused, false)
            : new ConnectFailure('dns', `no address ${host}`, false);
          callback(failure, '', 0);
        } else if (options.all) callback(null, [...accepted]);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => {
        const known = error instanceof DnsFailure ? error : new DnsFailure('failed', false);
        callback(
          new ConnectFailure('dns', `${known.message} ${host}`, known.passing, { cause: error }),
          '',
          0,
        );
      },
    );
  };
}

/** 'HOST:PORT' as undici names it to the connector: host in its canonical form, without brackets. */
function parseHostPort(pair: string): string {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(pair) ?? [];
  const url = host && Number(port) <= 0xffff ? URL.parse(`http://${host}:${port}/`) : null;
  if (url?.pathname !== '/' || url.search || url.hash || url.username || url.password)
    throw usage(`allowHosts: ${pair} is not HOST:PORT, as 127.0.0.1:8080 or [::1]:80.`);
  return `${url.hostname.replace(/^\[|\]$/g, '')}:${Number(port)}`;
}
