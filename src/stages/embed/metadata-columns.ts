import type { Column } from '../../formats/index.ts';

/** A value of a sample's JSON as a column can hold it. */
type Cell = string | number | boolean | null;
export type FlatMetadata = ReadonlyMap<string, Cell>;

/** Columns of clip-retrieval's own: metadata of these names are left out, as there. */
const OWN = new Set(['image_path', 'caption', 'metadata']);
/** Most columns that metadata make: a million names in hostile JSON would be a million columns. */
const MAX_COLUMNS = 1000;

/** `{"a": {"b": 1}}` → `a.b`, as pandas' json_normalize; lists become JSON. */
export function flattenMetadata(json: string): FlatMetadata {
  const flat = new Map<string, Cell>();
  const put = (name: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) put(name === '' ? key : `${name}.${key}`, inner);
      return;
    }
    if (OWN.has(name)) return;
    const plain = value === null || ['string', 'number', 'boolean'].includes(typeof value);
    flat.set(name, plain ? (value as Cell) : JSON.stringify(value));
  };
  put('', JSON.parse(json));
  return flat;
}

/** Names and types of what the samples of a part have, in the order in which names came first. */
export class MetadataColumns {
  readonly #types = new Map<string, 'null' | 'int64' | 'double' | 'string'>();

  add(metadata: FlatMetadata): void {
    for (const [name, value] of metadata) {
      const known = this.#types.get(name);
      if (known === undefined && this.#types.size >= MAX_COLUMNS) continue;
      this.#types.set(name, together(known ?? 'null', typeOf(value)));
    }
  }

  /** What was null in all samples is a column of strings. */
  columns(): readonly (Column & { readonly type: 'int64' | 'double' | 'string'; readonly nullable: true })[] {
    return [...this.#types].map(([name, type]) => ({
      name,
      type: type === 'null' ? 'string' : type,
      nullable: true,
    }));
  }
}

type Kind = 'null' | 'int64' | 'double' | 'string';

function typeOf(value: Cell): Kind {
  if (value === null) return 'null';
  if (typeof value !== 'number') return 'string';
  return Number.isSafeInteger(value) ? 'int64' : 'double';
}

function together(one: Kind, other: Kind): Kind {
  if (one === other || other === 'null') return one;
  if (one === 'null') return other;
  return one !== 'string' && other !== 'string' ? 'double' : 'string';
}

/** A value as its column wants it; of a column of strings, what is no string is written as in JSON. */
export function cellFor(
  value: Cell | undefined,
  type: 'int64' | 'double' | 'string',
): string | number | bigint | null {
  if (value === undefined || value === null) return null;
  if (type === 'string') return typeof value === 'string' ? value : JSON.stringify(value);
  if (typeof value !== 'number') return null;
  return type === 'int64' ? BigInt(value) : value;
}
