import { Anchor, Badge, Breadcrumbs, Button, Code, Grid, Group, Menu, Progress, Stack, Tabs, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { IconCertificate, IconChartLine, IconCpu, IconDots, IconEdit, IconFileText, IconHistory, IconPhoto, IconRocket, IconShoppingCart } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { OutcomeBadge } from '@/entities/deployment';
import { type Device, DeviceStateBadge, Online, deviceQueries, useDeviceActions } from '@/entities/device';
import { ChangeDevices } from '@/features/devices';
import { type Schemas, useEventStream } from '@/shared/api';
import { useFormat } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { toast } from '@/shared/lib/toast';
import { Confirm, Copy, DataTable, Empty, Facts, Failure, Hash, LiveMark, Loading, PageHeader, Panel, When } from '@/shared/ui';
import { DeviceContents } from './contents';
import { Charts, Logs, Sales } from './series';

const route = getRouteApi('/device/$key');
export const TABS = ['overview', 'charts', 'contents', 'logs', 'sales', 'updates', 'firmware', 'certificates'] as const;

/** What `status/system` says, as far as it is understood; a device may leave anything out. */
interface Status {
  system?: { cpu_usage?: { core_0?: number; core_1?: number }; memory_usage?: number; storage_usage?: number; uptime?: number };
  network?: { connection_type?: string; signal_strength?: number; local_ip?: string; gateway_ip?: string };
}

export function DeviceDetail() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { key } = route.useParams();
  const { tab = 'overview' } = route.useSearch();
  const me = useQuery(accountQueries.me());
  const found = useQuery(deviceQueries.one(key));
  const actions = useDeviceActions();
  const [changing, setChanging] = useState(false);
  const [suspending, setSuspending] = useState(false);
  const onEvent = useCallback(
    (event: Schemas['DevicesEvent']) => {
      if (event.resync || event.devices.some((d) => d.key === key)) void client.invalidateQueries({ queryKey: deviceQueries.keys.one(key) });
    },
    [client, key],
  );
  const stream = useEventStream<Schemas['DevicesEvent']>({ path: '/api/v1/devices/events', event: 'devices', onEvent, onCatchUp: () => void client.invalidateQueries({ queryKey: deviceQueries.keys.one(key) }) });
  const d = found.data;
  if (found.error && !d) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  if (!d) return <Loading />;
  return (
    <>
      <PageHeader
        above={<Breadcrumbs fz="sm"><Anchor component={Link} to="/device" size="sm">{t('nav.devices')}</Anchor><Text size="sm" c="dimmed">{d.product.name}</Text></Breadcrumbs>}
        title={<Group gap="sm"><Copy value={d.key}>{d.key}</Copy><DeviceStateBadge state={d.state} /><LiveMark state={stream} /></Group>}
        description={<Group gap="sm"><Text span size="sm">{d.name}</Text><Online online={d.online} since={d.online_changed_at} /></Group>}
        actions={
          mayChange(me.data) && (
            <>
              <Button variant="default" leftSection={<IconEdit size={16} />} onClick={() => setChanging(true)}>{t('action.edit')}</Button>
              <Menu position="bottom-end">
                <Menu.Target><Button variant="default" px="xs" aria-label={t('action.more')}><IconDots size={18} /></Button></Menu.Target>
                <Menu.Dropdown>
                  {d.state === 'suspended' ? (
                    <Menu.Item onClick={() => actions.activate.mutate(d.key, { onSuccess: () => toast.done(t('device.activated', { key: d.key })), onError: (e) => toast.failed(t('form.notSaved'), e) })}>{t('device.activate')}</Menu.Item>
                  ) : (
                    <Menu.Item color="red" onClick={() => setSuspending(true)}>{t('device.suspend')}</Menu.Item>
                  )}
                </Menu.Dropdown>
              </Menu>
            </>
          )
        }
      />
      <Tabs value={tab} onChange={(next) => void navigate({ to: '/device/$key', params: { key }, search: { tab: (next ?? 'overview') as (typeof TABS)[number] }, replace: true })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="overview" leftSection={<IconCpu size={16} />}>{t('device.tab_overview')}</Tabs.Tab>
          <Tabs.Tab value="charts" leftSection={<IconChartLine size={16} />}>{t('device.tab_charts')}</Tabs.Tab>
          <Tabs.Tab value="contents" leftSection={<IconPhoto size={16} />}>{t('nav.contents')}</Tabs.Tab>
          <Tabs.Tab value="logs" leftSection={<IconFileText size={16} />}>{t('nav.logs')}</Tabs.Tab>
          <Tabs.Tab value="sales" leftSection={<IconShoppingCart size={16} />}>{t('sales.title')}</Tabs.Tab>
          <Tabs.Tab value="updates" leftSection={<IconRocket size={16} />}>{t('device.tab_updates')}</Tabs.Tab>
          <Tabs.Tab value="firmware" leftSection={<IconHistory size={16} />}>{t('device.tab_firmware')}</Tabs.Tab>
          <Tabs.Tab value="certificates" leftSection={<IconCertificate size={16} />}>{t('device.tab_certificates')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="overview"><Overview device={d} /></Tabs.Panel>
        <Tabs.Panel value="charts"><Charts device={d.key} /></Tabs.Panel>
        <Tabs.Panel value="contents"><DeviceContents device={d.key} /></Tabs.Panel>
        <Tabs.Panel value="logs"><Logs device={d.key} /></Tabs.Panel>
        <Tabs.Panel value="sales"><Sales device={d.key} /></Tabs.Panel>
        <Tabs.Panel value="updates"><Updates device={d.key} /></Tabs.Panel>
        <Tabs.Panel value="firmware"><History device={d.key} /></Tabs.Panel>
        <Tabs.Panel value="certificates"><Certificates device={d} changing={mayChange(me.data)} /></Tabs.Panel>
      </Tabs>
      {changing && <ChangeDevices devices={[d]} opened onClose={() => setChanging(false)} />}
      <Confirm
        opened={suspending}
        onClose={() => setSuspending(false)}
        title={t('device.suspendTitle', { key: d.key })}
        confirmLabel={t('device.suspend')}
        danger
        busy={actions.suspend.isPending}
        onConfirm={() => actions.suspend.mutate(d.key, { onSuccess: () => { setSuspending(false); toast.done(t('device.suspended', { key: d.key })); }, onError: (e) => toast.failed(t('form.notSaved'), e) })}
      >
        {t('device.suspendText')}
      </Confirm>
    </>
  );
}

function Meter({ label, value }: { label: string; value: number | undefined }) {
  const f = useFormat();
  if (value === undefined) return null;
  const share = Math.min(100, Math.max(0, value));
  return (
    <div>
      <Group justify="space-between" mb={2}>
        <Text size="sm">{label}</Text>
        <Text size="sm" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }}>{f.percent(share / 100)}</Text>
      </Group>
      <Progress value={share} color={share > 90 ? 'red' : share > 75 ? 'orange' : 'sea'} aria-label={label} />
    </div>
  );
}

function Overview({ device: d }: { device: Device }) {
  const { t } = useTranslation();
  const f = useFormat();
  const status = (d.status ?? {}) as Status;
  const { system, network } = status;
  const facts: [ReactNode, ReactNode][] = [
    [t('product.one'), d.product.name],
    [t('region.one'), d.region ? `${d.region.name} (${d.region.code})` : '–'],
    [t('group.one'), d.group?.name ?? '–'],
    [t('firmware.version'), d.firmware_id ? <Anchor key="fw" component={Link} to={`/firmware/${d.firmware_id}`} size="sm">{d.firmware_version ?? `#${d.firmware_id}`}</Anchor> : (d.firmware_version ?? '–')],
    [t('device.image'), d.image_hash ? <Hash key="h" value={d.image_hash} /> : '–'],
    [t('device.capabilities'), d.capabilities.length > 0 ? <Group key="cap" gap={4}>{d.capabilities.map((c) => <Badge key={c} color="gray">{c}</Badge>)}</Group> : t('device.noCapabilities')],
    [t('device.lastSeen'), <When key="seen" at={d.last_seen_at} />],
    [t('form.created'), <When key="c" at={d.created_at} />],
    ...Object.entries(d.attributes).map(([k, v]) => [k, v] as [ReactNode, ReactNode]),
  ];
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, md: 6 }}><Panel title={t('device.facts')}><Facts items={facts} /></Panel></Grid.Col>
      <Grid.Col span={{ base: 12, md: 6 }}>
        <Panel title={t('device.health')}>
          {!system && !network ? <Empty icon={IconCpu} title={t('device.noStatus')} hint={t('device.noStatusHint')} /> : (
            <Stack gap="md">
              <Meter label={t('device.cpu', { core: 0 })} value={system?.cpu_usage?.core_0} />
              <Meter label={t('device.cpu', { core: 1 })} value={system?.cpu_usage?.core_1} />
              <Meter label={t('device.memory')} value={system?.memory_usage} />
              <Meter label={t('device.storage')} value={system?.storage_usage} />
              <Facts
                items={[
                  ...(system?.uptime !== undefined ? [[t('device.uptime'), f.duration(system.uptime)] as [ReactNode, ReactNode]] : []),
                  ...(network?.connection_type ? [[t('device.network'), `${network.connection_type}${network.signal_strength !== undefined ? ` (${network.signal_strength})` : ''}`] as [ReactNode, ReactNode]] : []),
                  ...(network?.local_ip ? [[t('device.address'), network.local_ip] as [ReactNode, ReactNode]] : []),
                  ...(network?.gateway_ip ? [[t('device.gateway'), network.gateway_ip] as [ReactNode, ReactNode]] : []),
                ]}
              />
            </Stack>
          )}
        </Panel>
      </Grid.Col>
    </Grid>
  );
}

function Updates({ device }: { device: string }) {
  const { t } = useTranslation();
  const f = useFormat();
  const [cursor, setCursor] = useState<string>();
  const pages = usePages(cursor, setCursor);
  const list = useQuery(deviceQueries.updates(device, cursor));
  return (
    <Panel pad={false}>
      <DataTable
        caption={t('device.tab_updates')}
        rows={list.data?.items}
        error={list.error}
        onRetry={() => void list.refetch()}
        rowKey={(u) => String(u.deployment_id)}
        paging={pages(list.data?.next)}
        empty={<Empty icon={IconRocket} title={t('device.noUpdates')} />}
        columns={[
          { id: 'deployment', label: t('deployment.one'), cell: (u) => <Anchor component={Link} to={`/firmware/deployment/${u.deployment_id}`}>#{u.deployment_id}</Anchor> },
          { id: 'outcome', label: t('form.state'), cell: (u) => <Group gap={6}><OutcomeBadge outcome={u.outcome} /><Text size="xs" c="dimmed">{t(`updateState.${u.state}`)}</Text></Group> },
          { id: 'progress', label: t('deployment.progress'), right: true, cell: (u) => `${u.progress}%` },
          { id: 'bytes', label: t('deployment.bytes'), right: true, cell: (u) => f.bytes(u.downloaded_bytes) },
          { id: 'attempt', label: t('deployment.attempt'), right: true, cell: (u) => f.number(u.attempt) },
          { id: 'message', label: t('deployment.message'), cell: (u) => u.message ?? '–' },
          { id: 'at', label: t('deployment.finishedAt'), cell: (u) => <When at={u.finished_at ?? u.last_event_at ?? u.dispatched_at} /> },
        ]}
      />
    </Panel>
  );
}

function History({ device }: { device: string }) {
  const { t } = useTranslation();
  const [cursor, setCursor] = useState<string>();
  const pages = usePages(cursor, setCursor);
  const list = useQuery(deviceQueries.history(device, cursor));
  return (
    <Panel pad={false}>
      <DataTable
        caption={t('device.tab_firmware')}
        rows={list.data?.items}
        error={list.error}
        onRetry={() => void list.refetch()}
        rowKey={(h) => `${h.at}${h.to_version ?? ''}${h.kind}`}
        paging={pages(list.data?.next)}
        empty={<Empty icon={IconHistory} title={t('device.noHistory')} />}
        columns={[
          { id: 'at', label: t('form.at'), cell: (h) => <When at={h.at} /> },
          { id: 'kind', label: t('device.event'), cell: (h) => t(`firmwareChange.${h.kind}`) },
          { id: 'change', label: t('firmware.version'), cell: (h) => `${h.from_version ?? '?'} → ${h.to_version ?? '?'}` },
          { id: 'image', label: t('device.image'), cell: (h) => (h.image_hash ? <Hash value={h.image_hash} /> : '–') },
          { id: 'deployment', label: t('deployment.one'), cell: (h) => (h.deployment_id ? <Anchor component={Link} to={`/firmware/deployment/${h.deployment_id}`}>#{h.deployment_id}</Anchor> : '–') },
        ]}
      />
    </Panel>
  );
}

function Certificates({ device, changing }: { device: Device; changing: boolean }) {
  const { t } = useTranslation();
  const list = useQuery(deviceQueries.certificates(device.key));
  const { revoke } = useDeviceActions();
  const [revoking, setRevoking] = useState<string | null>(null);
  return (
    <Panel pad={false}>
      <DataTable
        caption={t('device.tab_certificates')}
        rows={list.data?.items}
        error={list.error}
        onRetry={() => void list.refetch()}
        rowKey={(c) => c.serial}
        empty={<Empty icon={IconCertificate} title={t('device.noCertificates')} hint={t('device.noCertificatesHint')} />}
        columns={[
          { id: 'serial', label: t('certificate.serial'), cell: (c) => <Copy value={c.serial}><Code>{c.serial}</Code></Copy> },
          { id: 'state', label: t('form.state'), cell: (c) => <Badge color={c.state === 'active' ? 'teal' : 'red'}>{t(`certificateState.${c.state}`)}</Badge> },
          { id: 'issuer', label: t('certificate.issuer'), cell: (c) => c.issuer, wideOnly: true },
          { id: 'from', label: t('certificate.from'), cell: (c) => <When at={c.not_before} /> },
          { id: 'until', label: t('certificate.until'), cell: (c) => <When at={c.not_after} /> },
          ...(changing ? [{ id: 'do', label: t('action.actions'), cell: (c: Schemas['CertificateView']) => (c.state === 'active' ? <Button size="compact-xs" color="red" variant="light" onClick={() => setRevoking(c.serial)}>{t('certificate.revoke')}</Button> : null) }] : []),
        ]}
      />
      <Confirm
        opened={revoking !== null}
        onClose={() => setRevoking(null)}
        title={t('certificate.revokeTitle')}
        confirmLabel={t('certificate.revoke')}
        danger
        busy={revoke.isPending}
        onConfirm={() => revoking && revoke.mutate({ key: device.key, serial: revoking }, { onSuccess: () => { setRevoking(null); toast.done(t('certificate.revoked')); }, onError: (e) => toast.failed(t('form.notSaved'), e) })}
      >
        {t('certificate.revokeText', { key: device.key })}
      </Confirm>
    </Panel>
  );
}
