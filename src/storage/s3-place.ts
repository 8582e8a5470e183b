import { GleanerError } from '../schema/index.ts';

/** A prefix in a bucket, and how paths below it become keys. */
export interface S3Place {
  readonly bucket: string;
  /** s3://BUCKET/PREFIX, without a slash at its end. */
  readonly location: string;
  /** @throws GleanerError DAMAGED for a path that leads out: it may come from a manifest that somebody else wrote */
  key(path: string): string;
  /** What all keys below a folder begin with. */
  below(folder: string): string;
  /** The path that a key stands for. */
  pathOf(key: string): string;
}

/** @throws GleanerError USAGE */
export function s3Place(location: string): S3Place {
  const [, bucket, given = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/(.*))?$/s.exec(location) ?? [];
  const parts = given.split('/').filter((part) => part !== '');
  if (bucket === undefined || parts.some((part) => part === '.' || part === '..'))
    throw new GleanerError('USAGE', { problem: `${location}: is not of the form s3://BUCKET/PREFIX.` });
  const root = parts.map((part) => `${part}/`).join('');
  const place = `s3://${bucket}${root === '' ? '' : `/${root.slice(0, -1)}`}`;
  const key = (path: string): string => {
    if (path.split('/').some((part) => part === '' || part === '.' || part === '..'))
      throw new GleanerError('DAMAGED', { path, problem: `leads out of ${place}` });
    return root + path;
  };
  return {
    bucket,
    location: place,
    key,
    below(folder) {
      const path = folder.replace(/\/$/, '');
      return path === '' ? root : `${key(path)}/`;
    },
    pathOf: (name) => name.slice(root.length),
  };
}
