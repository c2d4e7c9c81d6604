/** Numbers, bytes, durations and times as the reader's language writes them. Pure: the language is an argument. */

const numbers = new Map<string, Intl.NumberFormat>();

function format(language: string, options: Intl.NumberFormatOptions = {}): Intl.NumberFormat {
  const key = language + JSON.stringify(options);
  let found = numbers.get(key);
  if (!found) numbers.set(key, (found = new Intl.NumberFormat(language, options)));
  return found;
}

export function number(language: string, value: number): string {
  return format(language).format(value);
}

/** 0…1 as a percentage; 99.97 % is not shown as 100 %. */
export function percent(language: string, share: number): string {
  const floored = Math.floor(share * 1000) / 1000;
  return format(language, { style: 'percent', maximumFractionDigits: 1 }).format(floored);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Decimal units, as storage and networks are sold: 1 kB = 1,000 B. */
export function bytes(language: string, value: number): string {
  let n = value;
  let unit = 0;
  while (Math.abs(n) >= 999.5 && unit < UNITS.length - 1) {
    n /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return `${format(language, { maximumFractionDigits: digits }).format(n)} ${UNITS[unit]}`;
}

export function speed(language: string, bytesPerSecond: number): string {
  return `${bytes(language, bytesPerSecond)}/s`;
}

/** A length of time in its two largest units: `1 h 5 min`, `1시간 5분`. */
export function duration(language: string, seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'day'],
    [Math.floor(whole / 3_600) % 24, 'hour'],
    [Math.floor(whole / 60) % 60, 'minute'],
    [whole % 60, 'second'],
  ];
  const from = parts.findIndex(([n]) => n > 0);
  const shown = from < 0 ? parts.slice(3) : parts.slice(from, from + 2).filter(([n], i) => i === 0 || n > 0);
  return shown
    .map(([n, unit]) => format(language, { style: 'unit', unit, unitDisplay: 'short' }).format(n))
    .join(' ');
}

const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [3_600, 'minute'],
  [86_400, 'hour'],
  [86_400 * 30, 'day'],
  [86_400 * 365, 'month'],
  [Infinity, 'year'],
];
const LENGTH: Record<string, number> = { second: 1, minute: 60, hour: 3_600, day: 86_400, month: 2_592_000, year: 31_536_000 };

/** `3 minutes ago`, `3분 전`. */
export function relative(language: string, at: number, now: number): string {
  const seconds = (at - now) / 1000;
  const far = Math.abs(seconds);
  const unit = (STEPS.find(([limit]) => far < limit) ?? STEPS[5])?.[1] ?? 'year';
  const n = Math.trunc(seconds / (LENGTH[unit] ?? 1));
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(n, unit);
}

/** The exact time in the browser's zone, with the zone's name. */
export function exact(language: string, at: number): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'long' }).format(at);
}

export function date(language: string, at: number): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(at);
}
