import { plainLine } from '../text.ts';

/** As '12 s', '3 min', '2 h 34 min' or '3 d 4 h'. */
export function duration(seconds: number): string {
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  const whole = Math.round(seconds / 3600);
  return `${Math.floor(whole / 24)} d ${whole % 24} h`;
}

/** Things in a second: three digits are enough. */
export function rate(perSecond: number): string {
  return perSecond >= 100 ? whole(perSecond) : String(Number(perSecond.toPrecision(3)));
}

export function whole(n: number): string {
  return Math.round(n).toLocaleString('en');
}

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, n)) / 3));
  return `${(n / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** What is not none or all never reads as none or all. */
export function share(part: number): string {
  if (part > 0 && part < 0.0005) return '<0.1 %';
  if (part < 1 && part >= 0.9995) return '>99.9 %';
  return `${(part * 100).toFixed(1)} %`;
}

export function money(amount: number): string {
  if (amount > 0 && amount < 0.01) return '<0.01';
  return amount >= 1000 ? whole(amount) : amount.toFixed(2);
}

/** A day and a time where the reader is. */
export function when(iso: string): string {
  return new Date(iso).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' });
}

/** A name that somebody gave, as one harmless line. */
export function nameOf(text: string): string {
  return plainLine(text, 64) || 'without a name';
}
