/** What was done by people, and what devices said that was not understood. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Audit = Schemas['AuditView'];
export type DeadLetter = Schemas['DeadLetterView'];

export const ledgerQueries = {
  audit: (filter: { actor?: string; action?: string; subject?: string }, cursor?: string) =>
    queryOptions({
      queryKey: ['audit', filter, cursor],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/audit', { params: { query: { ...filter, cursor, limit: 50 } }, signal })),
      placeholderData: keepPreviousData,
    }),
  deadLetters: (device?: string, cursor?: string) =>
    queryOptions({
      queryKey: ['dead-letter', device, cursor],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/dead-letters', { params: { query: { device, cursor, limit: 50 } }, signal })),
      placeholderData: keepPreviousData,
    }),
};
