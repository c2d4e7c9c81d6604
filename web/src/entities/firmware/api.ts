import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Firmware = Schemas['FirmwareView'];

export interface FirmwareFilter {
  product?: string;
  state?: Schemas['FirmwareState'];
  search?: string;
}

const all = ['firmware'] as const;

export const firmwareQueries = {
  list: (filter: FirmwareFilter, cursor?: string, limit = 50) =>
    queryOptions({
      queryKey: [...all, 'list', filter, cursor, limit],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/firmware', { params: { query: { ...filter, cursor, limit } }, signal })),
      placeholderData: keepPreviousData,
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: [...all, 'one', id],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/firmware/{id}', { params: { path: { id } }, signal })),
    }),
};

export function useFirmwareActions() {
  const client = useQueryClient();
  const onSettled = () => client.invalidateQueries({ queryKey: all });
  return {
    create: useMutation({
      mutationFn: async (request: Schemas['CreateFirmwareRequest']) => body(await api.POST('/api/v1/firmware', { body: request })),
      onSettled,
    }),
    change: useMutation({
      mutationFn: async ({ id, ...change }: { id: number } & Schemas['ChangeFirmwareRequest']) =>
        body(await api.PATCH('/api/v1/firmware/{id}', { params: { path: { id: String(id) } }, body: change })),
      onSettled,
    }),
    remove: useMutation({
      mutationFn: async (id: number) => api.DELETE('/api/v1/firmware/{id}', { params: { path: { id: String(id) } } }),
      onSettled,
    }),
    /** A short-lived signed address for this person's browser. */
    address: useMutation({
      mutationFn: async (id: number) => body(await api.GET('/api/v1/firmware/{id}/download-url', { params: { path: { id: String(id) } } })),
    }),
  };
}
