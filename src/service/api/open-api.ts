import { z } from 'zod';
import { GLEANER_VERSION } from '../../config/index.ts';
import * as schemas from './schemas.ts';

/** A route as the document has it. `{id}` in a path is the SAMPLE_ID of a row. */
interface Route {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  /** Name in `SCHEMAS` of the body. */
  readonly request?: string;
  /** Whose fields the query string has. */
  readonly query?: z.ZodObject;
  readonly status?: number;
  /** By media type: the name of a schema, or none where the content is no JSON. */
  readonly answers: Readonly<Record<string, SchemaName | null>>;
  /** Statuses of errors, beside 429 and 503, which every route has. */
  readonly errors?: readonly number[];
}

const SCHEMAS = {
  Release: schemas.releaseResponse,
  SearchRequest: schemas.searchRequest,
  SearchResponse: schemas.searchResponse,
  Row: schemas.pageRow,
  RowDetails: schemas.rowDetails,
  CountsRequest: schemas.countsRequest,
  CountsResponse: schemas.countsResponse,
  ExportRequest: schemas.exportRequest,
  ExportedRows: z.array(schemas.exportedRow),
  MapInfo: schemas.mapInfo,
  Error: schemas.errorResponse,
} as const;
type SchemaName = keyof typeof SCHEMAS;

const JSON_TYPE = 'application/json';

const ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/api/v1/release',
    summary: 'What is searched.',
    answers: { [JSON_TYPE]: 'Release' },
  },
  {
    method: 'post',
    path: '/api/v1/search',
    summary:
      'Rows by words, pictures, addresses of pictures, vectors and rows, added up; by words of captions; or a sample. Each says why it is there.',
    request: 'SearchRequest',
    answers: { [JSON_TYPE]: 'SearchResponse' },
    errors: [400, 404, 413],
  },
  {
    method: 'post',
    path: '/api/v1/counts',
    summary: 'Rows of the release by the values of their fields, each under all conditions but its own.',
    request: 'CountsRequest',
    answers: { [JSON_TYPE]: 'CountsResponse' },
    errors: [400, 413],
  },
  {
    method: 'get',
    path: '/api/v1/rows/{id}',
    summary: 'A row, and why it was kept.',
    answers: { [JSON_TYPE]: 'RowDetails' },
    errors: [404],
  },
  {
    method: 'get',
    path: '/api/v1/rows/{id}/like',
    summary: 'Rows whose pictures are like that of a row.',
    query: schemas.likeRequest,
    answers: { [JSON_TYPE]: 'SearchResponse' },
    errors: [400, 404],
  },
  {
    method: 'post',
    path: '/api/v1/export',
    summary: 'The rows of a search as a file, without pictures.',
    request: 'ExportRequest',
    answers: { [JSON_TYPE]: 'ExportedRows', 'application/vnd.apache.parquet': null },
    errors: [400, 404, 413],
  },
  {
    method: 'get',
    path: '/api/v1/map/info',
    summary: 'The map of the pictures: its regions, and the tiles that hold its points.',
    answers: { [JSON_TYPE]: 'MapInfo' },
    errors: [404],
  },
  {
    method: 'get',
    path: '/api/v1/map',
    summary:
      'The points of a tile, 12 bytes each, little-endian: uint32 row, uint16 x, uint16 y, then a byte each for the region, the similarity (-1 to 1), the language, and 1 where it is UNSURE or NSFW.',
    query: schemas.mapQuery,
    answers: { 'application/octet-stream': null },
    errors: [400, 404],
  },
  {
    method: 'get',
    path: '/api/v1/openapi.json',
    summary: 'This document.',
    answers: { [JSON_TYPE]: null },
  },
  {
    method: 'get',
    path: '/images/{id}.jpg',
    summary: 'The stored picture of a row.',
    answers: { 'image/jpeg': null },
    errors: [404],
  },
];

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood; the line names the field.',
  404: 'There is no such row.',
  413: 'The body is too large.',
  429: 'Too many requests: Retry-After says when to ask again.',
  503: 'The service is busy or ends: Retry-After says when to ask again.',
};

let made: object | undefined;

/** The OpenAPI 3.1 document of the routes, its schemas made of those that requests are checked by. */
export function openApi(): object {
  made ??= {
    openapi: '3.1.1',
    info: {
      title: 'gleaner',
      version: GLEANER_VERSION,
      description: 'Search in a release of image-text pairs. Errors are one line: { "error": "…" }.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: Object.fromEntries(ROUTES.map((route) => [route.path, { [route.method]: operation(route) }])),
    components: { schemas: jsonSchemas() },
  };
  return made;
}

function operation({
  method,
  path,
  summary,
  request,
  query,
  status = 200,
  answers,
  errors = [],
}: Route): object {
  const parameters = [
    ...(path.includes('{id}')
      ? [{ name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 0 } }]
      : []),
    ...(query ? queryParameters(query) : []),
  ];
  return {
    operationId: `${method}${path.replace(/[^a-z0-9]+(\w)?/gi, (_, next: string = '') => next.toUpperCase())}`,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(request && {
      requestBody: { required: true, content: { [JSON_TYPE]: { schema: reference(request) } } },
    }),
    responses: {
      [status]: {
        description: 'Done.',
        content: Object.fromEntries(
          Object.entries(answers).map(([type, schema]) => [
            type,
            schema ? { schema: reference(schema) } : {},
          ]),
        ),
      },
      ...Object.fromEntries(
        [...errors, 429, 503].map((code) => [
          code,
          {
            description: TITLES[code] ?? 'It failed.',
            content: { [JSON_TYPE]: { schema: reference('Error') } },
          },
        ]),
      ),
    },
  };
}

function queryParameters(query: z.ZodObject): object[] {
  const { properties = {} } = z.toJSONSchema(query, { io: 'input' });
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema }));
}

function reference(name: string): object {
  return { $ref: `#/components/schemas/${name}` };
}

function jsonSchemas(): object {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const { schemas: all } = z.toJSONSchema(registry, { io: 'input', uri });
  // Where they stand says what they are called and which draft they are of.
  return Object.fromEntries(
    Object.entries(all).map(([id, { $id: _, $schema: __, ...schema }]) => [id, schema]),
  );
}
