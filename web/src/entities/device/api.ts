/** Devices: queries and changes. Keys hold every variable; a change invalidates what it may have touched. */
import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Device = Schemas['DeviceView'];
export type DeviceUpdate = Schemas['DeviceUpdateView'];
export type DeviceCounts = Schemas['DeviceCounts'];

export interface DeviceFilter {
  product?: string;
  group?: string;
  region?: string;
  version?: string;
  state?: Schemas['DeviceState'];
  online?: boolean;
  search?: string;
}

const keys = {
  all: ['device'] as const,
  list: (filter: DeviceFilter, cursor: string | undefined, limit: number) => ['device', 'list', filter, cursor, limit] as const,
  one: (key: string) => ['device', 'one', key] as const,
  part: (key: string, part: string, cursor?: string) => ['device', 'one', key, part, cursor] as const,
  counts: ['device', 'counts'] as const,
};

export const deviceQueries = {
  keys,
  list: (filter: DeviceFilter, cursor?: string, limit = 50) =>
    queryOptions({
      queryKey: keys.list(filter, cursor, limit),
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/devices', { params: { query: { ...filter, cursor, limit } }, signal })),
      placeholderData: keepPreviousData,
    }),
  one: (key: string) =>
    queryOptions({
      queryKey: keys.one(key),
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/devices/{key}', { params: { path: { key } }, signal })),
    }),
  counts: () =>
    queryOptions({
      queryKey: keys.counts,
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/devices/counts', { signal })),
      refetchInterval: 15_000,
    }),
  history: (key: string, cursor?: string) =>
    queryOptions({
      queryKey: keys.part(key, 'firmware-history', cursor),
      queryFn: async ({ signal }) =>
        body(await api.GET('/api/v1/devices/{key}/firmware-history', { params: { path: { key }, query: { cursor, limit: 20 } }, signal })),
      placeholderData: keepPreviousData,
    }),
  updates: (key: string, cursor?: string) =>
    queryOptions({
      queryKey: keys.part(key, 'updates', cursor),
      queryFn: async ({ signal }) =>
        body(await api.GET('/api/v1/devices/{key}/updates', { params: { path: { key }, query: { cursor, limit: 20 } }, signal })),
      placeholderData: keepPreviousData,
    }),
  certificates: (key: string) =>
    queryOptions({
      queryKey: keys.part(key, 'certificates'),
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/devices/{key}/certificates', { params: { path: { key } }, signal })),
    }),
};

export type DeviceChange = Schemas['DeviceChange'];

export function useDeviceActions() {
  const client = useQueryClient();
  const settled = () => client.invalidateQueries({ queryKey: keys.all });
  return {
    change: useMutation({
      mutationFn: async (v: { keys: string[]; change: DeviceChange }) =>
        body(await api.PATCH('/api/v1/devices', { body: { keys: v.keys, change: v.change } })),
      onSettled: settled,
    }),
    suspend: useMutation({
      mutationFn: async (key: string) => api.POST('/api/v1/devices/{key}/suspend', { params: { path: { key } } }),
      onSettled: settled,
    }),
    activate: useMutation({
      mutationFn: async (key: string) => api.POST('/api/v1/devices/{key}/activate', { params: { path: { key } } }),
      onSettled: settled,
    }),
    revoke: useMutation({
      mutationFn: async (v: { key: string; serial: string }) =>
        api.DELETE('/api/v1/devices/{key}/certificates/{serial}', { params: { path: v } }),
      onSettled: settled,
    }),
  };
}
