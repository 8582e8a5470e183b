/**
 * Crawls the pages of a served web: asks for each over HTTP, and writes what came as WARC files and their WATs.
 * The links in a WAT are those of the page's model, from which its HTML was written too: no HTML parser is among
 * the dependencies. That both hold the same links is for the tests.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import type { Page, SmallWeb } from './model.ts';
import { pageContent, urlOf } from './pages.ts';
import { pagesOfWat } from './plan.ts';
import type { ServedWeb } from './server.ts';
import {
  type CrawlRecord,
  crawlFiles,
  fieldsBytes,
  fieldsMetadata,
  type Message,
  messageBytes,
  recordId,
  requestMetadata,
  responseMetadata,
} from './wat.ts';

export interface CrawlOptions {
  readonly web: SmallWeb;
  readonly served: ServedWeb;
  /** Folder for the files; made where it is not there. */
  readonly out: string;
  /** Number of WAT files. */
  readonly wats: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** When the crawl says it was: fixed, so that the same web gives the same files. */
const CRAWL_DATE = '2026-01-15T12:00:00Z';
const USER_AGENT = 'gleaner-demo-crawler/1.0';
/** Requests at once. */
const CONCURRENCY = 8;

/**
 * @returns the paths of the WAT files, in their order
 * @throws Error where a page does not come
 */
export async function crawl({ web, served, out, wats, onProgress }: CrawlOptions): Promise<string[]> {
  await mkdir(out, { recursive: true });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const fetched = new Map<Page, readonly CrawlRecord[]>();
    const queue = web.pages.values();
    const worker = async (): Promise<void> => {
      for (const page of queue) {
        fetched.set(page, await visit(web, page, served, agent));
        onProgress?.(fetched.size, web.pages.length);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));

    const paths: string[] = [];
    for (let wat = 0; wat < wats; wat++) {
      const name = `crawl-${String(wat).padStart(5, '0')}`;
      const records = pagesOfWat(web, wat, wats).flatMap((page) => fetched.get(page) ?? []);
      const files = crawlFiles(name, CRAWL_DATE, [infoRecord(name), ...records]);
      const path = join(out, `${name}.warc.wat.gz`);
      await writeFile(join(out, `${name}.warc.gz`), files.warc);
      await writeFile(path, files.wat);
      paths.push(path);
    }
    return paths;
  } finally {
    agent.destroy();
  }
}

function infoRecord(name: string): CrawlRecord {
  const fields = { software: USER_AGENT, format: 'WARC File Format 1.0', robots: 'classic' };
  return {
    headers: {
      'WARC-Type': 'warcinfo',
      'WARC-Date': CRAWL_DATE,
      'WARC-Filename': `${name}.warc.gz`,
      'WARC-Record-ID': recordId(name),
      'Content-Type': 'application/warc-fields',
    },
    block: fieldsBytes(fields),
    metadata: { 'Actual-Content-Type': 'application/warc-fields', 'WARC-Info-Metadata': fields },
  };
}

/** The three records of a page: request, response, metadata. */
async function visit(web: SmallWeb, page: Page, served: ServedWeb, agent: Agent): Promise<CrawlRecord[]> {
  const url = urlOf(page, served.origins);
  const request: Message = {
    start: `GET ${page.path} HTTP/1.1`,
    headers: [
      ['Host', new URL(url).host],
      ['User-Agent', USER_AGENT],
      ['Accept', 'text/html'],
      ['Connection', 'keep-alive'],
    ],
    body: new Uint8Array(),
  };
  const response = await ask(url, request, agent);
  if (!response.start.startsWith('HTTP/1.1 200 ')) throw new Error(`${url}: ${response.start}`);

  const record = (type: string, contentType: string, block: Uint8Array, of?: string) => ({
    headers: {
      'WARC-Type': type,
      'WARC-Date': CRAWL_DATE,
      'WARC-Record-ID': recordId(`${type} ${url}`),
      'Content-Type': contentType,
      'WARC-IP-Address': '127.0.0.1',
      ...(of !== undefined && { 'WARC-Concurrent-To': recordId(`${of} ${url}`) }),
      'WARC-Target-URI': url,
    },
    block,
  });
  const fields = { 'charset-detected': 'UTF-8' };
  return [
    {
      ...record('request', 'application/http; msgtype=request', messageBytes(request)),
      metadata: requestMetadata(request),
    },
    {
      ...record('response', 'application/http; msgtype=response', messageBytes(response), 'request'),
      metadata: responseMetadata(response, pageContent(web, page, served.origins)),
    },
    {
      ...record('metadata', 'application/warc-fields', fieldsBytes(fields), 'response'),
      metadata: fieldsMetadata(fields),
    },
  ];
}

function ask(url: string, { headers }: Message, agent: Agent): Promise<Message> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: headers.flat(), setHost: false }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { httpVersion, statusCode, statusMessage, rawHeaders } = response;
        const pairs = rawHeaders.flatMap((name, i) =>
          i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ''] as const] : [],
        );
        resolve({
          start: `HTTP/${httpVersion} ${statusCode} ${statusMessage}`,
          headers: pairs,
          body: Buffer.concat(chunks),
        });
      });
    });
    request.on('error', reject);
  });
}
