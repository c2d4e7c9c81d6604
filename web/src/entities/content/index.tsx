/** Contents: what displays show. Their files never change, so that the browser keeps them. */
import { Badge, Box, Image } from '@mantine/core';
import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { type Schemas, api, body } from '@/shared/api';

export type Content = Schemas['ContentView'];

export interface ContentFilter {
  product?: string;
  state?: Schemas['ContentState'];
  search?: string;
}

const all = ['content'] as const;

export const contentQueries = {
  list: (filter: ContentFilter, cursor?: string, limit = 8) =>
    queryOptions({
      queryKey: [...all, 'list', filter, cursor, limit],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/contents', { params: { query: { ...filter, cursor, limit } }, signal })),
      placeholderData: keepPreviousData,
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: [...all, 'one', id],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/contents/{id}', { params: { path: { id } }, signal })),
      refetchInterval: 10_000,
    }),
  devices: (id: string, cursor?: string) =>
    queryOptions({
      queryKey: [...all, 'one', id, 'devices', cursor],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/contents/{id}/devices', { params: { path: { id }, query: { cursor, limit: 50 } }, signal })),
      placeholderData: keepPreviousData,
      refetchInterval: 10_000,
    }),
  ofDevice: (key: string) =>
    queryOptions({
      queryKey: ['device', 'one', key, 'contents'],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/devices/{key}/contents', { params: { path: { key } }, signal })),
    }),
};

export function useContentActions() {
  const client = useQueryClient();
  const onSettled = () => client.invalidateQueries({ queryKey: all });
  return {
    create: useMutation({
      mutationFn: async (request: Schemas['CreateContentRequest']) => body(await api.POST('/api/v1/contents', { body: request })),
      onSettled,
    }),
    change: useMutation({
      mutationFn: async ({ id, ...change }: { id: number } & Schemas['ChangeContentRequest']) =>
        body(await api.PATCH('/api/v1/contents/{id}', { params: { path: { id: String(id) } }, body: change })),
      onSettled,
    }),
    remove: useMutation({
      mutationFn: async (id: number) => api.DELETE('/api/v1/contents/{id}', { params: { path: { id: String(id) } } }),
      onSettled,
    }),
  };
}

export function ContentStateBadge({ state }: { state: Schemas['ContentState'] }) {
  const { t } = useTranslation();
  return <Badge color={state === 'available' ? 'teal' : 'orange'}>{t(`contentState.${state}`)}</Badge>;
}

/** A picture in the shape of its display; what it shows is in its name. */
export function Picture({ path, title, width, height, maw }: { path: string; title: string; width?: number; height?: number; maw?: number }) {
  return (
    <Box maw={maw} style={{ aspectRatio: width && height ? `${width} / ${height}` : undefined, background: '#000', borderRadius: 8, overflow: 'hidden' }}>
      <Image src={path} alt={title} fit="contain" h="100%" loading="lazy" />
    </Box>
  );
}
