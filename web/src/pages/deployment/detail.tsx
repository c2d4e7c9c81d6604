import { Anchor, Breadcrumbs, Button, Group, Stack, Text, TextInput, Textarea } from '@mantine/core';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { IconCopy, IconPlayerPause, IconPlayerPlay, IconSearch, IconX } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { DeploymentStateBadge, type DeviceUpdate, OutcomeBar, OutcomeCounts, STATES_OF, deploymentQueries, isFinal, useDeploymentActions, useDeploymentStream } from '@/entities/deployment';
import { Deploy } from '@/features/deploy';
import { api, body } from '@/shared/api';
import { useDebounced, useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';
import { Confirm, Empty, Facts, Failure, Figure, LiveMark, Loading, PageHeader, Panel, When } from '@/shared/ui';
import { Tiles } from './tiles';

const route = getRouteApi('/firmware/deployment/$id');
const PAGE = 500;

export function DeploymentDetail() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { id } = route.useParams();
  const { outcome } = route.useSearch();
  const me = useQuery(accountQueries.me());
  const found = useQuery(deploymentQueries.one(id));
  const actions = useDeploymentActions();
  const [canceling, setCanceling] = useState(false);
  const [reason, setReason] = useState('');
  const [again, setAgain] = useState<string[] | null>(null);
  const [typed, setTyped] = useState('');
  const search = useDebounced(typed.trim()) || undefined;
  const d = found.data;

  const filter = useMemo(() => ({ state: outcome ? STATES_OF[outcome].join(',') : undefined, search }), [outcome, search]);
  const key = useMemo(() => [...deploymentQueries.one(id).queryKey, 'tiles', filter] as const, [id, filter]);
  const tiles = useInfiniteQuery({
    queryKey: key,
    queryFn: async ({ pageParam, signal }) =>
      body(await api.GET('/api/v1/deployments/{id}/devices', { params: { path: { id }, query: { ...filter, cursor: pageParam, limit: PAGE } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
  // What the stream says lies over what was read; a whole re-read follows a filter or a gap.
  const [live, setLive] = useState<Map<number, DeviceUpdate>>(new Map());
  const reread = useRef(0);
  const onDevices = useCallback(
    (changed: DeviceUpdate[], truncated: boolean) => {
      setLive((before) => {
        const next = new Map(before);
        for (const u of changed) next.set(u.device_id, u);
        return next;
      });
      const now = Date.now();
      if (truncated && now - reread.current > 3_000) {
        reread.current = now;
        void client.invalidateQueries({ queryKey: key });
      }
    },
    [client, key],
  );
  const over = d !== undefined && isFinal(d.state) && d.progress.finished === d.progress.total;
  const stream = useDeploymentStream(id, d !== undefined && !over, onDevices);
  const updates = useMemo(() => {
    const read = tiles.data?.pages.flatMap((p) => p.items) ?? [];
    const merged = read.map((u) => {
      const newer = live.get(u.device_id);
      return newer && (newer.last_event_at ?? '') >= (u.last_event_at ?? '') ? newer : u;
    });
    return outcome ? merged.filter((u) => u.outcome === outcome) : merged;
  }, [tiles.data, live, outcome]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = tiles;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  if (found.error && !d) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (!d) return <Loading />;
  const changing = mayChange(me.data) && !isFinal(d.state);
  const p = d.progress;
  const open = p.total - p.finished;
  const steer = (what: 'pause' | 'resume') =>
    actions[what].mutate({ id: d.id }, { onError: (e) => toast.failed(t('deployment.notChanged'), e) });
  const failed = (p.by_outcome.failed ?? 0) + (p.by_outcome.timeout ?? 0);
  const deployAgain = async () => {
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = body(await api.GET('/api/v1/deployments/{id}/devices', { params: { path: { id }, query: { state: [...STATES_OF.failed, ...STATES_OF.timeout].join(','), cursor, limit: 1000 } } }));
      keys.push(...page.items.map((u) => u.key));
      cursor = page.next ?? undefined;
    } while (cursor);
    setAgain(keys);
  };

  return (
    <>
      <PageHeader
        above={<Breadcrumbs fz="sm"><Anchor component={Link} to="/firmware/deployment" size="sm">{t('nav.deployments')}</Anchor><Text size="sm" c="dimmed">#{d.id}</Text></Breadcrumbs>}
        title={<Group gap="sm">{d.name}<DeploymentStateBadge state={d.state} />{!over && <LiveMark state={stream} />}</Group>}
        actions={
          <>
            {mayChange(me.data) && failed > 0 && d.firmware && <Button variant="default" leftSection={<IconCopy size={16} />} onClick={() => void deployAgain()}>{t('deployment.again', { count: failed })}</Button>}
            {changing && d.state === 'paused' && <Button leftSection={<IconPlayerPlay size={16} />} onClick={() => steer('resume')} loading={actions.resume.isPending}>{t('deployment.resume')}</Button>}
            {changing && d.state !== 'paused' && <Button variant="default" leftSection={<IconPlayerPause size={16} />} onClick={() => steer('pause')} loading={actions.pause.isPending}>{t('deployment.pause')}</Button>}
            {changing && <Button color="red" variant="light" leftSection={<IconX size={16} />} onClick={() => setCanceling(true)}>{t('deployment.cancel')}</Button>}
          </>
        }
      />
      <Stack gap="md">
        <Panel>
          <Stack gap="md">
            <Group gap="xl">
              <Figure label={t('deployment.total')} value={f.number(p.total)} />
              <Figure label={t('deployment.successRate')} value={p.success_rate == null ? '–' : f.percent(p.success_rate)} />
              <Figure label={t('deployment.speed')} value={p.speed_bytes_per_s == null ? '–' : f.speed(p.speed_bytes_per_s)} />
              <Figure label={t('deployment.timeLeft')} value={over ? '–' : p.eta_s == null ? '–' : f.duration(p.eta_s)} />
              <Figure label={t('deployment.bytes')} value={f.bytes(p.downloaded_bytes)} hint={t('deployment.ofBytes', { total: f.bytes(p.total_bytes) })} />
            </Group>
            <OutcomeBar progress={p} size={14} />
            <OutcomeCounts progress={p} active={outcome} onPick={(next) => void navigate({ to: '/firmware/deployment/$id', params: { id }, search: { outcome: next }, replace: true })} />
          </Stack>
        </Panel>
        <Panel
          pad={false}
          title={t('deployment.devices')}
          actions={<TextInput size="sm" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={16} />} placeholder={t('device.keyPrefix')} aria-label={t('device.keyPrefix')} w={200} />}
        >
          {tiles.error && !tiles.data ? <Group p="md"><Failure error={tiles.error} onRetry={() => void tiles.refetch()} /></Group> : !tiles.data ? <Group p="md"><Loading rows={4} /></Group> : updates.length === 0 ? <Empty icon={IconSearch} title={d.planned ? t('table.nothing') : t('deployment.planning')} /> : <Tiles updates={updates} onEnd={more} />}
        </Panel>
        <Panel title={t('deployment.facts')}>
          <Facts
            items={[
              ...(d.firmware ? [[t('firmware.version'), <Anchor key="fw" component={Link} to={`/firmware/${d.firmware.id}`} size="sm">{d.firmware.product.name} {d.firmware.version}</Anchor>] as [string, React.ReactNode]] : []),
              [t('form.created'), <When key="c" at={d.created_at} />],
              [t('deployment.startedAt'), <When key="s" at={d.started_at} />],
              [t('deployment.finishedAt'), <When key="f" at={d.finished_at} />],
              [t('deploy.expiry'), d.policy.expires_at ? <When key="e" at={d.policy.expires_at} /> : t('deploy.never')],
              [t('deploy.inFlight'), f.number(d.policy.max_in_flight)],
              [t('deploy.rate'), f.number(d.policy.rate_per_s)],
              [t('deployment.attempts'), f.number(d.policy.max_attempts)],
              [t('deployment.attemptTimeout'), f.duration(d.policy.attempt_timeout_s)],
            ]}
          />
        </Panel>
      </Stack>
      <Confirm
        opened={canceling}
        onClose={() => setCanceling(false)}
        title={t('deployment.cancelTitle', { name: d.name })}
        confirmLabel={t('deployment.cancel')}
        danger
        count={open}
        busy={actions.cancel.isPending}
        onConfirm={() =>
          actions.cancel.mutate({ id: d.id, reason }, {
            onSuccess: () => { setCanceling(false); toast.done(t('deployment.canceled')); },
            onError: (e) => toast.failed(t('deployment.notChanged'), e),
          })
        }
      >
        <Stack gap="xs">
          <Text size="sm">{t('deployment.cancelText', { count: open, shown: f.number(open) })}</Text>
          <Textarea label={t('deployment.reason')} value={reason} onChange={(e) => setReason(e.currentTarget.value)} autosize minRows={2} maxLength={256} />
        </Stack>
      </Confirm>
      {again && d.firmware && (
        <Deploy
          opened
          onClose={() => setAgain(null)}
          onDone={(made) => { setAgain(null); void navigate({ to: '/firmware/deployment/$id', params: { id: String(made.id) } }); }}
          payload={{ firmware: d.firmware.id }}
          what={`${d.firmware.product.name} ${d.firmware.version}`}
          product={d.firmware.product.name}
          size={d.firmware.size}
          devices={again}
        />
      )}
    </>
  );
}
