import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Guard } from './guard/index.ts';

/** Upper ends of the histograms' buckets, in seconds: from a search in memory to a slow web server. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * What GET /metrics tells. The names of the times are clip-retrieval's.
 * @param rows how many can be searched now
 * @param guard whose counts tell how full the service is
 */
export function createMetrics(rows: () => number, guard: Guard) {
  const registry = new Registry();
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  const seconds = (name: string, help: string) =>
    new Histogram({ name, help, buckets: BUCKETS, registers: [registry] });
  gauge('gleaner_rows', 'Rows of the release', rows);
  gauge('gleaner_searches_running', 'Searches that are worked on', () => guard.admission.running);
  gauge('gleaner_searches_waiting', 'Searches that wait for their turn', () => guard.admission.waiting);
  gauge('gleaner_body_bytes', 'Bytes of request bodies that are held', () => guard.bodies.held);
  gauge('gleaner_clients', 'Clients whose rate is remembered', () => guard.clients);
  return {
    registry,
    requests: new Counter({
      name: 'gleaner_http_requests_total',
      help: 'Requests answered, by route and status',
      labelNames: ['route', 'status'],
      registers: [registry],
    }),
    requestSeconds: seconds('full_knn_request_time', 'Time spent processing a knn request, in seconds'),
    downloadSeconds: seconds('download_time', 'Time spent downloading an image, in seconds'),
    textSeconds: seconds('text_clip_inference_time', 'Time spent embedding a text, in seconds'),
    imageSeconds: seconds(
      'image_clip_inference_time',
      'Time spent decoding and embedding an image, in seconds',
    ),
    metadataSeconds: seconds('metadata_get_time', 'Time spent reading metadata, in seconds'),
    knnSeconds: seconds('knn_index_time', 'Time spent searching the index, in seconds'),
    dedupSeconds: seconds('dedup_time', 'Time spent removing near-duplicates, in seconds'),
  };
}
