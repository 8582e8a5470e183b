import type { OriginKind, Ports } from './fetch-server.ts';
import { ORIGIN_KINDS } from './fetch-server.ts';

/** Of 100 origins of the mix; the rest are good. Half of what fails here fails at once, half takes its time. */
const MIX: Readonly<Partial<Record<OriginKind, number>>> = {
  refused: 4,
  nxdomain: 4,
  failing: 2,
  busy: 1,
  servfail: 1,
  slow: 3,
  stall: 3,
  trickle: 1,
  mute: 1,
};

export interface Origin {
  readonly kind: OriginKind;
  /** Host and port. */
  readonly host: string;
}

/** Origins of which a fifth are bad, or none; every host is a domain of its own. */
export function mixOfOrigins(count: number, ports: Ports, mixed: boolean): Origin[] {
  return Array.from({ length: count }, (_, n) => {
    let kind: OriginKind = 'good';
    let upTo = 0;
    for (const bad of mixed ? ORIGIN_KINDS : []) {
      const from = upTo;
      upTo += ((MIX[bad] ?? 0) * count) / 100;
      if (n >= from && n < upTo) kind = bad;
    }
    return { kind, host: `${kind}-${n}.test:${kind === 'refused' ? ports.refused : ports.http}` };
  });
}

/** The i-th URL: a multiplier without a common factor walks the origins in no order, each as often as the others. */
export function mixedUrl(origins: readonly Origin[], i: number): { url: string; kind: OriginKind } {
  const origin = origins[(i * 7_919) % origins.length];
  if (!origin) throw new Error('no origins');
  return { url: `http://${origin.host}/${i}`, kind: origin.kind };
}
