import { usage } from './options.ts';

/** Says through which proxy a URL is asked for; undefined: through none. */
export type ProxyFor = (url: {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
}) => URL | undefined;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param setting the URL of an HTTP proxy, 'environment' for HTTPS_PROXY, HTTP_PROXY and NO_PROXY, null for none
 * @throws GleanerError USAGE for what is no URL of an HTTP proxy
 */
export function proxyFor(setting: string | null, env: Environment = process.env): ProxyFor {
  if (setting === null) return () => undefined;
  if (setting !== 'environment') {
    const proxy = parseProxy(setting, 'fetch.proxy');
    return () => proxy;
  }
  const variable = (name: string) => {
    const value = env[name.toLowerCase()] || env[name];
    return value ? parseProxy(value, name) : undefined;
  };
  const proxies = new Map([
    ['https:', variable('HTTPS_PROXY')],
    ['http:', variable('HTTP_PROXY')],
  ]);
  const except = (env.no_proxy || env.NO_PROXY || '').split(/[\s,]+/).filter((entry) => entry !== '');
  return (url) => (except.some((entry) => matches(entry, url)) ? undefined : proxies.get(url.protocol));
}

function parseProxy(text: string, name: string): URL {
  const url = URL.parse(text);
  // The text itself may hold a password.
  if (url?.protocol !== 'http:' || !url.hostname)
    throw usage(`${name}: give the URL of an HTTP proxy, as http://proxy.example:3128.`);
  return url;
}

/** As curl has it: a host with its subdomains, with or without a dot before it, perhaps a port, or '*'. */
function matches(entry: string, { protocol, hostname, port }: Parameters<ProxyFor>[0]): boolean {
  if (entry === '*') return true;
  const [, name = '', only] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  if (only !== undefined && only !== (port || (protocol === 'https:' ? '443' : '80'))) return false;
  return name !== '' && (hostname === name || hostname.endsWith(`.${name}`));
}

/** Proxy-Authorization for the credentials of a proxy's URL (RFC 7617); undefined where there are none. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (!username) return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}
