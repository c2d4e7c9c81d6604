/** What devices tell over time. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Log = Schemas['LogView'];

export interface LogFilter {
  search?: string;
  group?: string;
  region?: string;
  from?: string;
}

export const seriesQueries = {
  latest: (key: string) =>
    queryOptions({
      queryKey: ['device', 'one', key, 'latest'],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/devices/{key}/latest', { params: { path: { key } }, signal })),
    }),
  metrics: (key: string, metric: string, hours: number, points: number) =>
    queryOptions({
      queryKey: ['device', 'one', key, 'metrics', metric, hours, points],
      queryFn: async ({ signal }) => {
        const from = new Date(Date.now() - hours * 3_600_000).toISOString();
        return body(await api.GET('/api/v1/devices/{key}/metrics', { params: { path: { key }, query: { metric, from, points } }, signal }));
      },
      placeholderData: keepPreviousData,
      refetchInterval: 15_000,
    }),
  logs: (device: string | undefined, filter: LogFilter, cursor?: string) =>
    queryOptions({
      queryKey: ['log', device, filter, cursor],
      queryFn: async ({ signal }) => {
        const query = { ...filter, cursor, limit: 50 };
        return device === undefined
          ? body(await api.GET('/api/v1/logs', { params: { query }, signal }))
          : body(await api.GET('/api/v1/devices/{key}/logs', { params: { path: { key: device }, query }, signal }));
      },
      placeholderData: keepPreviousData,
      refetchInterval: 15_000,
    }),
  sales: (query: { device?: string; group_by: string; from: string; utc_offset: string }) =>
    queryOptions({
      queryKey: ['sales', query],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/sales', { params: { query }, signal })),
      placeholderData: keepPreviousData,
    }),
};
