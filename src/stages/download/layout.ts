import { type DownloadOptions, shardName } from './options.ts';

/** Where the files of a shard lie, below the folder of the download. */
export interface ShardFiles {
  readonly parquet: string;
  readonly stats: string;
  readonly times: string;
  /** What was on a list of known content: only where something was, and for its owner alone. */
  readonly knownContent: string;
  /** The tar of `webdataset`, the folder of `files`; undefined where the images lie in the Parquet file. */
  readonly images: string | undefined;
}

export function shardFiles(shard: number, options: DownloadOptions): ShardFiles {
  const name = shardName(shard, options);
  const images = { webdataset: `${name}.tar`, files: name, parquet: undefined } as const;
  return {
    parquet: `${name}.parquet`,
    stats: `${name}_stats.json`,
    times: `${TIMES}/${name}.parquet`,
    knownContent: `${KNOWN_CONTENT}/${name}.jsonl`,
    images: images[options.outputFormat],
  };
}

/** All that is gleaner's own lies here: readers of Parquet folders pass over names that begin with '_'. */
export const OWN_FOLDER = '_gleaner';
const KNOWN_CONTENT = `${OWN_FOLDER}/known-content`;
const TIMES = `${OWN_FOLDER}/times`;
