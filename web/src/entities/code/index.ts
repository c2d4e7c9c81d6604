/** One-time codes with which devices register. */
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export const codeQueries = {
  one: (id: number) =>
    queryOptions({
      queryKey: ['code', id],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/registration-codes/{id}', { params: { path: { id } }, signal })),
      refetchInterval: (query) => (query.state.data?.state === 'open' || query.state.data === undefined ? 1_500 : false),
    }),
};

export function useCodeActions() {
  const client = useQueryClient();
  return {
    create: useMutation({
      mutationFn: async (request: Schemas['CreateRegistrationCodeRequest']) => body(await api.POST('/api/v1/registration-codes', { body: request })),
    }),
    revoke: useMutation({
      mutationFn: async (id: number) => api.DELETE('/api/v1/registration-codes/{id}', { params: { path: { id } } }),
      onSettled: () => client.invalidateQueries({ queryKey: ['code'] }),
    }),
  };
}
