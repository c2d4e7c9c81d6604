import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { useCallback, useRef } from 'react';
import { type Schemas, type StreamState, api, body, useEventStream } from '@/shared/api';

export type Deployment = Schemas['DeploymentView'];
export type DeploymentState = Schemas['DeploymentState'];
export type UpdateState = Schemas['UpdateState'];
export type Outcome = Schemas['Outcome'];
export type DeviceUpdate = Schemas['DeviceUpdateView'];
type DeploymentEvent = Schemas['DeploymentEvent'];

export const OUTCOMES: Outcome[] = ['success', 'in_progress', 'waiting', 'failed', 'timeout', 'canceled'];

/** Which states a console's word stands for; the API filters by states. */
export const STATES_OF: Record<Outcome, UpdateState[]> = {
  waiting: ['pending', 'dispatched'],
  in_progress: ['acknowledged', 'downloading', 'downloaded', 'installing'],
  success: ['succeeded'],
  failed: ['failed', 'rejected', 'rolled_back'],
  timeout: ['timed_out'],
  canceled: ['canceled'],
};

export const isFinal = (state: DeploymentState) => state === 'finished' || state === 'canceled';

export interface DeploymentFilter {
  state?: string;
  search?: string;
}

const all = ['deployment'] as const;

export const deploymentQueries = {
  all,
  list: (filter: DeploymentFilter, cursor?: string, limit = 20) =>
    queryOptions({
      queryKey: [...all, 'list', filter, cursor, limit],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/deployments', { params: { query: { ...filter, cursor, limit } }, signal })),
      placeholderData: keepPreviousData,
      // Running ones move: a list is read again while any of them does.
      refetchInterval: (query) => (query.state.data?.items.some((d) => !isFinal(d.state)) ? 2_000 : 15_000),
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: [...all, 'one', id],
      queryFn: async ({ signal }) => body(await api.GET('/api/v1/deployments/{id}', { params: { path: { id } }, signal })),
    }),
  /** What a deployment would do, without making it. */
  preview: (request: Schemas['CreateDeploymentRequest']) =>
    queryOptions({
      queryKey: [...all, 'preview', request],
      queryFn: async ({ signal }) => body(await api.POST('/api/v1/deployments/preview', { body: request, signal })),
      staleTime: 5_000,
    }),
  devices: (id: string, filter: { state?: string; search?: string }, cursor?: string, limit = 500) =>
    queryOptions({
      queryKey: [...all, 'one', id, 'devices', filter, cursor, limit],
      queryFn: async ({ signal }) =>
        body(await api.GET('/api/v1/deployments/{id}/devices', { params: { path: { id }, query: { ...filter, cursor, limit } }, signal })),
      placeholderData: keepPreviousData,
    }),
};

/** Follows one deployment: its numbers go straight into the cache, changed devices to `onDevices`. */
export function useDeploymentStream(
  id: string,
  active: boolean,
  onDevices: (devices: DeviceUpdate[], truncated: boolean) => void,
): StreamState {
  const client = useQueryClient();
  const told = useRef(onDevices);
  told.current = onDevices;
  const onEvent = useCallback(
    (event: DeploymentEvent) => {
      client.setQueryData(deploymentQueries.one(id).queryKey, event.deployment);
      told.current(event.devices, event.truncated);
    },
    [client, id],
  );
  return useEventStream<DeploymentEvent>({
    path: active ? `/api/v1/deployments/${id}/events` : null,
    event: 'deployment',
    onEvent,
    onCatchUp: () => void client.invalidateQueries({ queryKey: [...all, 'one', id] }),
    isLast: (e) => isFinal(e.deployment.state) && e.deployment.progress.finished === e.deployment.progress.total,
  });
}

export function useDeploymentActions() {
  const client = useQueryClient();
  const onSettled = () => client.invalidateQueries({ queryKey: all });
  const steer = (action: 'pause' | 'resume' | 'cancel') =>
    async ({ id, reason }: { id: number; reason?: string }) => {
      const params = { path: { id: String(id) } };
      const request = { params, body: { reason: reason || undefined } };
      if (action === 'pause') return body(await api.POST('/api/v1/deployments/{id}/pause', request));
      if (action === 'resume') return body(await api.POST('/api/v1/deployments/{id}/resume', request));
      return body(await api.POST('/api/v1/deployments/{id}/cancel', request));
    };
  return {
    create: useMutation({
      mutationFn: async ({ request, once }: { request: Schemas['CreateDeploymentRequest']; once: string }) =>
        body(await api.POST('/api/v1/deployments', { body: request, headers: { 'idempotency-key': once } })),
      onSettled,
    }),
    pause: useMutation({ mutationFn: steer('pause'), onSettled }),
    resume: useMutation({ mutationFn: steer('resume'), onSettled }),
    cancel: useMutation({ mutationFn: steer('cancel'), onSettled }),
  };
}
