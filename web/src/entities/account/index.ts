/** Who is looking: the own account, its password, its tokens. */
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Me = Schemas['MeResponse'];

export const accountQueries = {
  me: () =>
    queryOptions({
      queryKey: ['me'],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/me', { signal })),
      staleTime: 60_000,
      retry: false,
    }),
  tokens: () =>
    queryOptions({
      queryKey: ['token'],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/tokens', { signal })),
    }),
};

export const mayChange = (me: Me | undefined) => me !== undefined && me.user.role !== 'viewer';

export function useAccountActions() {
  const client = useQueryClient();
  return {
    login: useMutation({
      mutationFn: async (request: Schemas['LoginRequest']) => body(await api.POST('/api/v1/login', { body: request })),
      onSuccess: () => client.invalidateQueries({ queryKey: ['me'] }),
    }),
    logout: useMutation({
      mutationFn: async () => api.POST('/api/v1/logout'),
      onSettled: () => client.clear(),
    }),
    changePassword: useMutation({
      mutationFn: async (request: Schemas['ChangePasswordRequest']) => api.POST('/api/v1/me/password', { body: request }),
    }),
    createToken: useMutation({
      mutationFn: async (request: Schemas['CreateTokenRequest']) => body(await api.POST('/api/v1/tokens', { body: request })),
      onSettled: () => client.invalidateQueries({ queryKey: ['token'] }),
    }),
    removeToken: useMutation({
      mutationFn: async (id: number) => api.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } }),
      onSettled: () => client.invalidateQueries({ queryKey: ['token'] }),
    }),
  };
}
