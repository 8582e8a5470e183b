/** A failure with a sentence for the reader. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
}

/** What the service answers. @throws ApiError where it cannot be reached, or refuses */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError('The service cannot be reached.', { cause });
  }
  if (response.ok) return (await response.json()) as T;
  const body: unknown = await response.json().catch(() => null);
  const error =
    typeof body === 'object' && body && 'error' in body ? String(body.error) : `status ${response.status}`;
  throw new ApiError(`The service answered: ${error.replace(/\.$/, '')}.`);
}

/** Asks with a body of JSON. @throws ApiError */
export function askWith<T>(path: string, body: object, signal?: AbortSignal): Promise<T> {
  return ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}
