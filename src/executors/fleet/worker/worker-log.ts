import { type Logger, pino } from 'pino';

export type LogFormat = 'json' | 'text';

/**
 * The log of a worker: an event a line, on standard error.
 * @param format 'json' for machines, as pino writes it; 'text' for people
 * @param base stands in each line of JSON
 */
export function openLog(format: LogFormat, base: Readonly<Record<string, string>>): Logger {
  if (format === 'json')
    return pino(
      { base, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
      pino.destination({ fd: 2, sync: true }),
    );
  return pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line: string) => void process.stderr.write(asText(line)) },
  );
}

/** As '12:00:01 done run=… stage=harvest index=3'. */
function asText(line: string): string {
  const { level, time, msg, ...facts }: Record<string, unknown> = JSON.parse(line);
  const mark = Number(level) >= 50 ? 'error: ' : Number(level) >= 40 ? 'warning: ' : '';
  const told = Object.entries(facts).map(([name, value]) => `${name}=${plain(value)}`);
  return `${[String(time).slice(11, 19), `${mark}${String(msg)}`, ...told].join(' ')}\n`;
}

/** On one line, and without what a terminal would obey. */
function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
