import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import * as f from './format';

/** The formatters in the language that is shown now. */
export function useFormat() {
  const { i18n } = useTranslation();
  const language = i18n.language;
  return useMemo(
    () => ({
      number: (v: number) => f.number(language, v),
      percent: (v: number) => f.percent(language, v),
      bytes: (v: number) => f.bytes(language, v),
      speed: (v: number) => f.speed(language, v),
      duration: (v: number) => f.duration(language, v),
      relative: (at: number, now: number) => f.relative(language, at, now),
      exact: (at: number) => f.exact(language, at),
      date: (at: number) => f.date(language, at),
    }),
    [language],
  );
}

/** Now, again and again: for relative times and countdowns. One timer a page and pace. */
const clocks = new Map<number, { listeners: Set<(now: number) => void>; timer: ReturnType<typeof setInterval> }>();

export function useNow(everyMs = 10_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    let clock = clocks.get(everyMs);
    if (!clock) {
      const listeners = new Set<(now: number) => void>();
      const timer = setInterval(() => listeners.forEach((tell) => tell(Date.now())), everyMs);
      clocks.set(everyMs, (clock = { listeners, timer }));
    }
    const mine = clock;
    mine.listeners.add(setNow);
    return () => {
      mine.listeners.delete(setNow);
      if (mine.listeners.size === 0) {
        clearInterval(mine.timer);
        clocks.delete(everyMs);
      }
    };
  }, [everyMs]);
  return now;
}

/** `value`, once it has rested for `ms`: what is typed becomes a query. */
export function useDebounced<T>(value: T, ms = 250): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return rested;
}
