/** Live connections of devices. */
import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Session = Schemas['SessionView'];

export const sessionQueries = {
  list: (cursor?: string, limit = 50) =>
    queryOptions({
      queryKey: ['session', 'list', cursor, limit],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/sessions', { params: { query: { cursor, limit } }, signal })),
      placeholderData: keepPreviousData,
      refetchInterval: 5_000,
    }),
};

export function useSessionActions() {
  const client = useQueryClient();
  return {
    kick: useMutation({
      mutationFn: async (key: string) => api.DELETE('/api/v1/sessions/{key}', { params: { path: { key } } }),
      onSettled: () => client.invalidateQueries({ queryKey: ['session'] }),
    }),
  };
}
