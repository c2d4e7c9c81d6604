/**
 * Keyset paging for a list whose cursor stands in the URL. The way back is remembered here: a cursor only leads forwards, and a
 * link that was shared begins on its own page with "first page" as its way back.
 */
import { useState } from 'react';

export const PAGE = 50;

export function usePages(cursor: string | undefined, go: (cursor: string | undefined) => void) {
  const [trail, setTrail] = useState<(string | undefined)[]>([]);
  return (next: string | null | undefined) => ({
    onNext: next
      ? () => {
          setTrail([...trail, cursor]);
          go(next);
        }
      : undefined,
    onPrevious: cursor
      ? () => {
          go(trail.at(-1));
          setTrail(trail.slice(0, -1));
        }
      : undefined,
  });
}
