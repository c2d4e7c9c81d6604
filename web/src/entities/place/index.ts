/** Products, groups and regions: where a device belongs. */
import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { type Schemas, api, body } from '@/shared/api';

export type Product = Schemas['ProductView'];
export type Group = Schemas['GroupView'];
export type Region = Schemas['RegionView'];

const list = { limit: 1000 };

export const placeQueries = {
  products: (search?: string) =>
    queryOptions({
      queryKey: ['product', search],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/products', { params: { query: { ...list, search } }, signal })),
      placeholderData: keepPreviousData,
    }),
  groups: (search?: string) =>
    queryOptions({
      queryKey: ['group', search],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/groups', { params: { query: { ...list, search } }, signal })),
      placeholderData: keepPreviousData,
    }),
  regions: (search?: string) =>
    queryOptions({
      queryKey: ['region', search],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/regions', { params: { query: { ...list, search } }, signal })),
      placeholderData: keepPreviousData,
    }),
};

export function usePlaceActions() {
  const client = useQueryClient();
  const after = (key: string) => () => Promise.all([client.invalidateQueries({ queryKey: [key] }), client.invalidateQueries({ queryKey: ['device'] })]);
  return {
    saveProduct: useMutation({
      mutationFn: async ({ name, spec }: { name?: string; spec: Schemas['ProductSpec'] }) =>
        name === undefined
          ? body(await api.POST('/api/v1/products', { body: spec }))
          : body(await api.PUT('/api/v1/products/{name}', { params: { path: { name } }, body: spec })),
      onSettled: after('product'),
    }),
    removeProduct: useMutation({
      mutationFn: async (name: string) => api.DELETE('/api/v1/products/{name}', { params: { path: { name } } }),
      onSettled: after('product'),
    }),
    saveGroup: useMutation({
      mutationFn: async ({ name, spec }: { name?: string; spec: Schemas['GroupSpec'] }) =>
        name === undefined
          ? body(await api.POST('/api/v1/groups', { body: spec }))
          : body(await api.PUT('/api/v1/groups/{name}', { params: { path: { name } }, body: spec })),
      onSettled: after('group'),
    }),
    removeGroup: useMutation({
      mutationFn: async (name: string) => api.DELETE('/api/v1/groups/{name}', { params: { path: { name } } }),
      onSettled: after('group'),
    }),
    saveRegion: useMutation({
      mutationFn: async ({ code, spec }: { code?: string; spec: Schemas['RegionSpec'] }) =>
        code === undefined
          ? body(await api.POST('/api/v1/regions', { body: spec }))
          : body(await api.PUT('/api/v1/regions/{code}', { params: { path: { code } }, body: spec })),
      onSettled: after('region'),
    }),
    removeRegion: useMutation({
      mutationFn: async (code: string) => api.DELETE('/api/v1/regions/{code}', { params: { path: { code } } }),
      onSettled: after('region'),
    }),
  };
}
