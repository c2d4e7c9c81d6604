/**
 * Server-sent events with a state that people can see.
 *
 * `live`: connected. `stale`: the connection is lost and what is shown may be old. After every reconnection, and after the
 * machine slept, `onCatchUp` is called: what happened in between is read again rather than guessed.
 */
import { useEffect, useRef, useState } from 'react';

export type StreamState = 'connecting' | 'live' | 'stale';

/** A page that was hidden or asleep for longer than this is caught up when it is seen again. */
const ASLEEP_MS = 30_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];

interface Options<T> {
  /** Where to listen; `null`: nowhere. */
  path: string | null;
  /** Name of the events. */
  event: string;
  onEvent: (data: T) => void;
  onCatchUp?: () => void;
  /** The stream ends by itself (a finished deployment). */
  isLast?: (data: T) => boolean;
}

export function useEventStream<T>({ path, event, onEvent, onCatchUp, isLast }: Options<T>): StreamState {
  const [state, setState] = useState<StreamState>('connecting');
  const handlers = useRef({ onEvent, onCatchUp, isLast });
  useEffect(() => {
    handlers.current = { onEvent, onCatchUp, isLast };
  });

  useEffect(() => {
    if (path === null) return;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let tries = 0;
    let opened = false;
    let ended = false;
    let hiddenAt: number | undefined;

    const connect = () => {
      source = new EventSource(path);
      source.onopen = () => {
        if (opened) handlers.current.onCatchUp?.();
        opened = true;
        tries = 0;
        setState('live');
      };
      source.addEventListener(event, (message) => {
        const data = JSON.parse((message as MessageEvent<string>).data) as T;
        handlers.current.onEvent(data);
        if (handlers.current.isLast?.(data)) {
          ended = true;
          source?.close();
        }
      });
      source.onerror = () => {
        source?.close();
        if (ended) return;
        setState('stale');
        const pause = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 10_000;
        tries += 1;
        timer = setTimeout(connect, pause);
      };
    };
    const onVisibility = () => {
      if (document.hidden) {
        hiddenAt = Date.now();
      } else if (hiddenAt !== undefined && Date.now() - hiddenAt > ASLEEP_MS) {
        handlers.current.onCatchUp?.();
      }
    };
    connect();
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      ended = true;
      clearTimeout(timer);
      source?.close();
      document.removeEventListener('visibilitychange', onVisibility);
    };
  }, [path, event]);
  return state;
}
